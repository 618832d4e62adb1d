"""One link as a session sees it: what it carries, and its signs of life.

A link is *overdue* when its oldest segment has waited too long for an acknowledgement; the session
then counts it as stalled and sends what it holds over others. A link is asked for a sign of life by
PING when it is overdue or was quiet for long. It is *silent* when it holds segments, the PING stays
unanswered and nothing else is heard; others are looked for then. Some time later it is dead. Times
are monotonic seconds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from passerelle.core.tunnel.estimator import LinkEstimator, RateSample
from passerelle.wire.frames import Frame, Ping

PING_IDLE_S = 15.0
"""Time without anything heard after which a link is asked for a sign of life."""
PING_OVERDUE_S = 0.25
"""Time after a link became overdue until it is asked for a sign of life."""
PING_APART_S = 1.0
"""Shortest time between two PINGs to a link that is overdue. Only one PING is under way on a link:
a link is reliable and ordered, so a second one would tell nothing more than the first."""
SILENT_RTTS = 2
"""Round trips without anything heard, while a PING is unanswered, after which a link is silent."""
SILENT_MIN_S = 1.0
"""Shortest time that `SILENT_RTTS` comes to. With what goes before the PING it is longer than SCTP
waits for the answer to a packet, so that a single loss silences no link."""
SILENCE_RTTS = 8
"""Round trips without anything heard, while a PING is unanswered, after which a link is dead."""
SILENCE_MIN_S = 4.0
"""Shortest time that `SILENCE_RTTS` comes to."""
SILENCE_MAX_S = 30.0
"""Longest time that `SILENCE_RTTS` comes to."""


@dataclass(slots=True, eq=False)
class Segment:
    """A piece of the outgoing bytes, from its first sending until the far end has it in order."""

    offset: int
    end: int
    payload: bytes = field(repr=False)
    """Empty once a link is known to have delivered it."""
    carriers: int = 0
    """How many links carry it that are neither dead nor stalled."""
    queued: bool = False
    """Whether it is in the session's heap of segments to send again."""


@dataclass(slots=True, eq=False)
class Flight:
    """One sending of a segment over one link."""

    segment: Segment
    link_end: int
    """Bytes sent over the link up to the end of this segment."""
    sample: RateSample


@dataclass(slots=True, eq=False)
class SessionLink:
    """The state of one link."""

    number: int
    estimator: LinkEstimator
    heard_at: float
    """When the last frame came; at first, when the link was added."""
    in_flight: deque[Flight] = field(default_factory=deque)
    """What was sent and not acknowledged, oldest first."""
    bytes_sent: int = 0
    bytes_received: int = 0
    unacknowledged: int = 0
    """Received bytes that no ACK has covered yet."""
    ack_due: float | None = None
    """When the next ACK is to be sent."""
    last_data_at: float = 0.0
    draining: bool = False
    """The link is about to end: nothing new is sent over it while there is another."""
    stalled: bool = False
    """The link's oldest segment is overdue: nothing new is sent over the link until it delivers,
    and what it holds does not count as carried."""
    silent: bool = False
    """Nobody answers at the far end. Segments may be sent over the link where there is no other."""
    ping: Ping | None = None
    """The PING that has no PONG yet."""
    pinged_at: float = 0.0
    told_bytes: int = 0
    """The window that the far end was told last; 0 leaves it to its own measurements."""
    outbox: list[Frame] = field(default_factory=list)
    """Frames other than DATA and ACK that wait to be sent."""

    @property
    def usable(self) -> bool:
        """Whether new segments may be sent over the link."""
        return not (self.draining or self.stalled)

    def ask(self, token: int, now: float) -> None:
        """Ask for a sign of life by a PING with `token`."""
        self.ping = Ping(token)
        self.pinged_at = now
        self.outbox.append(self.ping)

    @property
    def ask_at(self) -> float:
        """When to ask for a sign of life next; infinity while a PING is unanswered."""
        if self.ping is not None:
            return math.inf
        if self.in_flight:
            return max(self._late_at + PING_OVERDUE_S, self.pinged_at + PING_APART_S)
        return self.heard_at + PING_IDLE_S

    @property
    def silent_at(self) -> float:
        """When the link becomes silent; infinity with nothing in flight, or when it is already."""
        if self.silent or self.ping is None or not self.in_flight:
            return math.inf
        patience_s = max(SILENT_MIN_S, SILENT_RTTS * self.estimator.srtt_s)
        asked_at = max(self.pinged_at, self.in_flight[0].sample.sent_s)
        return max(asked_at, self.heard_at) + patience_s

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self.heard_at = now
        self.silent = False

    @property
    def dead_at(self) -> float:
        """When the link is dead if nothing is heard until then; infinity without a PING."""
        if self.ping is None:
            return math.inf
        patience_s = max(SILENCE_MIN_S, SILENCE_RTTS * self.estimator.srtt_s)
        return max(self.pinged_at, self.heard_at) + min(patience_s, SILENCE_MAX_S)

    @property
    def overdue_at(self) -> float:
        """When the link becomes overdue; infinity with nothing in flight, or when stalled."""
        if self.stalled or not self.in_flight:
            return math.inf
        return self._late_at

    @property
    def _late_at(self) -> float:
        return self.in_flight[0].sample.sent_s + self.estimator.overdue_s
