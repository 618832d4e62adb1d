"""A volunteer's configuration: the network, and what its person gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

from passerelle import limits
from passerelle.volunteer.age import link_age_s
from passerelle.volunteer.hours import ALWAYS, Hours
from passerelle.wire.invite import Invite


def _local_now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerConfig:
    """Names ending in `_s` are seconds, `mbit` is 10⁶ bits a second."""

    invite: Invite
    """Where the network's descriptor is, and who must have signed it."""
    people: int = 20
    """People helped at once, 1 to `limits.VOLUNTEER_PEOPLE`."""
    lanes: int = limits.LANES
    """Links of one person at once."""
    mbit: float = math.inf
    """The rate for all people together; infinity for no bound."""
    person_mbit: float = math.inf
    """The same for each person."""
    day_bytes: int | None = None
    """Bytes carried in a day of `zone`, both ways together; None for no bound."""
    month_bytes: int | None = None
    """The same for a month."""
    flows_a_day: int | None = 32
    """New links in a day with clients of one country; None for no bound. See docs/THREAT-MODEL.md
    for what a censor learns from them."""
    hours: Hours = ALWAYS
    """When people are helped, by the clock of `zone`."""
    zone: tzinfo | None = None
    """The time zone of days, months and hours; None for this machine's."""
    ip_version: int | None = None
    """4 or 6 where only that is used; None for both."""
    state: Path | None = None
    """The folder that keeps counts between runs; None keeps nothing."""
    metrics_port: int | None = None
    """A port on 127.0.0.1 for Prometheus; None for none, 0 lets the system choose."""
    family: bytes = field(default=b"", repr=False)
    """The token of the only family that is helped (`wire.family`); empty to help everybody."""
    confirmed: bool = False
    """Whether its person has said that they help although it may be dangerous where they are."""
    tests: bool = True
    """Whether to find out how fast this machine is before anybody is helped."""
    age_s: Callable[[float], float] = link_age_s
    """Gives a link's greatest age, from a random number of the standard normal distribution."""
    drain_s: float = 1.2
    """Time in which links go on after people were asked to move to other volunteers."""
    open_s: float = 15.0
    """Longest time from an answer until the client has come."""
    exit_s: float = 10.0
    """Longest time to open the WebSocket to an exit."""
    patient_s: float = 300.0
    """More time for a client whose answer is carried by hand."""
    clock: Callable[[], datetime] = field(default=_local_now)
    """The wall clock, with a time zone."""

    def now(self) -> datetime:
        """Return the time in `zone`."""
        now = self.clock()
        return now.astimezone(self.zone) if self.zone is not None else now
