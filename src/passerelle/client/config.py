"""A client's configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from passerelle import limits
from passerelle.client.friend import Swap
from passerelle.core.localport.login import Login
from passerelle.core.media.callage import link_age_s
from passerelle.io.webrtc.engine import Engine, PythonEngine
from passerelle.wire.invite import Invite


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The network to join, the local port, and how links are kept.

    Names ending in `_s` are seconds.
    """

    invite: Invite
    """Where the network's descriptor is, and who must have signed it."""
    token: str = ""
    """The token that an operator gave this reader (`wire.tokens`); empty without one."""
    listen_host: str = "127.0.0.1"
    """The address of the local port."""
    listen_port: int = 10080
    """The local port; 0 lets the system choose."""
    login: Login | None = None
    """The name and password that applications must give; None: whoever reaches the port is served,
    so only this machine may reach it."""
    media: bool = True
    """Let volunteers whose browsers can do so send downloads as video, which bears loss better."""
    engine: Engine = field(default_factory=PythonEngine)
    """The WebRTC stack that makes links (`io.webrtc.engine`). The client closes it."""
    call: bool = False
    """Links look like video calls: none without video is made, and each ends at a random age."""
    call_age_s: Callable[[float], float] = link_age_s
    """Gives a call's age, from a random number of the standard normal distribution."""
    call_overlap_s: float = 30.0
    """A call that is old enough waits so long for as many others as there were."""
    farewell_s: float = 3.0
    """Time for what is under way on a link that is left."""
    state: Path | None = None
    """The file that remembers between runs which ways to the brokers work; None: remember none."""
    network: bytes = b""
    """The signed descriptor, where it cannot be fetched; empty: fetch it."""
    friend: Swap | None = None
    """Has requests carried by hand to a friend and back; None: they go through the network."""
    links: int = 3
    """Links kept ready, each through another volunteer where there are enough."""
    lanes: int = limits.LANES
    """Most links through one volunteer, where more than one pays."""
    lane_rtt_s: float = 0.03
    """On a shorter round trip one DataChannel is as fast as a browser gets; on a longer one each
    loss costs it much, and lanes share the cost."""
    unrelayed_delay_s: float = 2.0
    """Time without a link after which one without a volunteer is tried, where the network allows
    it. Where a broker's own name is dropped too, 2 s or more have gone by before."""
    unrelayed_patience_s: float = 1.5
    """Time that such a link may take before one by the next way is tried beside it."""
    unrelayed_overlap_s: float = 5.0
    """Such a link is left when one through a volunteer has lasted so long."""
    patience_s: float = 30.0
    """Longest time that an application's request waits for a first link."""
    connect_timeout_s: float = 15.0
    """Longest time from a volunteer's answer until the DataChannel is open."""
    welcome_timeout_s: float = 10.0
    """Longest time from the open DataChannel until the exit's WELCOME."""
    doubted_welcome_timeout_s: float = 4.0
    """The same where the exit seems gone and the network has others: three round trips of more than
    a second each."""
    grace_s: float = 120.0
    """Time for which a session outlives the loss of all its links."""
    flow_idle_s: float = 120.0
    """A UDP flow ends after its application has sent nothing for so long."""
    request_timeout_s: float = 15.0
    """Longest time for one exchange with a broker."""
    answer_patience_s: float = 6.5
    """A request for volunteers goes another way as well after so long. A broker gives volunteers
    5 s to answer."""
    reload_pause_s: float = 600.0
    """The descriptor is not fetched again before so long, however old it is."""
    retry_s: tuple[float, float] = (0.5, 15.0)
    """First and longest pause between requests while there is no link."""
    spare_retry_s: tuple[float, float] = (3.0, 60.0)
    """First and longest pause between requests while some links work and only spares are
    missing."""
    door_retry_s: tuple[float, float] = (43_200.0, 86_400.0)
    """The same where only a door leads to a broker: at least a quarter of it. A request takes some
    12 KB with TLS, and a door is to carry 4 KB an hour while volunteers carry the rest."""
    urgent_retry_s: float = 2.0
    """Longest pause between requests while an application waits for a first link."""
    slept_s: float = 19.0
    """After the program has stood still for so long, the exit has given its links up: it asks for a
    sign of life after 15 s of silence, and waits 4 s for it (`core.tunnel.sessionlink`)."""
