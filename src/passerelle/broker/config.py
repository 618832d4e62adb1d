"""The configuration of a broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits, serverlimits
from passerelle.broker.readpage import Make
from passerelle.core.address.classes import IPNetwork
from passerelle.core.embed import Extensions
from passerelle.io.net.locations import LocationDatabase
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.publishers import Publishers

CAUTIOUS = frozenset(
    ("AE", "BY", "CN", "CU", "EG", "ER", "IR", "KP", "MM", "OM", "RU", "SA", "SY", "TM", "UZ", "VN")
)
"""Countries where helping others past censorship has been punished, or where the law allows that.
There are rather too many than too few, since all that it costs a volunteer is a second click."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Keys, documents, timings and capacity of one broker."""

    seal_key: X25519PrivateKey
    """Opens rendezvous requests."""
    ticket_key: Ed25519PrivateKey
    """Signs tickets; exits know its public half from the descriptor."""
    document: bytes
    """The signed descriptor, served as it is."""
    descriptor: Descriptor
    """The content of `document`."""
    widget_dir: Path | None = None
    """The built widget, with its manifest.json; None serves no widget."""
    invite: str = ""
    """The network's invite, for the page on which a friend helps by hand, and for the tag that
    `/embed` makes. If it is empty, there is no such page and publishers paste the invite."""

    extensions: Extensions = field(default_factory=Extensions)
    """Where the network's browser extension is, for the tags that publishers take."""
    places: LocationDatabase = field(default_factory=LocationDatabase)
    """Tells the countries and networks of readers and volunteers."""
    doors: tuple[str, ...] = ()
    """Base URLs of the network's doors (`wire.doors`)."""
    cautious: frozenset[str] = CAUTIOUS
    """Volunteers in these countries (ISO 3166-1) are asked once more before anybody comes."""
    kept_dir: Path | None = None
    """Where builds of the widget are kept, so that pages which pin an older one go on working; None
    serves the present one only."""

    publishers: Callable[[], Publishers] = Publishers
    """Returns the publishers that may see their figures at `/newsroom`, as they are now."""
    counts_file: Path | None = None
    """Where the counts of volunteers outlive a restart; None keeps none."""
    front: bool = True
    """Whether `/` shows the status of the network; `/status` always does."""

    answer_timeout_s: float = 5.0
    """A rendezvous request is answered within this time, whatever the volunteers do."""
    hedge_s: float = 1.0
    """When a volunteer has not answered within this time, another one is asked beside it, and the
    first answer is taken. Most answer in less, and one whose network is gone costs no more."""
    patience_s: float = 2.5
    """A volunteer that has not answered within this time is given up for another one."""
    wait_s: float = 2.0
    """When there is no volunteer at all, a request waits this long for one to come."""
    body_timeout_s: float = 10.0
    """A rendezvous request must have arrived whole within this time."""
    hello_timeout_s: float = 10.0
    """A volunteer's first message must have come within this time."""
    websocket_ping_s: float = 45.0
    """Interval of WebSocket pings. It is below the minute after which many proxies end a silent
    connection. A ping unanswered for half of it ends the connection."""
    heartbeat_s: float = 2.5
    """A volunteer asks this often whether the broker is there, since a page notices by nothing else
    that its packets are dropped, that its own address changed, or that the broker hangs."""
    idle_heartbeat_s: float = 15.0
    """A volunteer that helps nobody may ask this seldom: each question wakes a device that nobody
    needs just then."""
    heartbeats_per_s: float = 1000.0
    """Volunteers are asked for a `ping` less often once they would send more than this in all."""
    grace_s: float = 2.0
    """Longest time spent on parting from volunteers."""
    link_ticket_s: int = 60
    """Life of a link ticket: from the offer until the volunteer has connected to the exit."""
    lane_ticket_s: int = 300
    """Life of a link ticket for a lane, or for an offer carried by hand: a client may open a lane
    later, and people need time to carry a text."""
    client_ticket_s: int = 3600
    """Life of a client ticket, with which a client may start and resume sessions."""
    retry_s: tuple[float, float] = (5.0, 60.0)
    """Volunteers that are sent away come back after a random time in this range."""
    return_s: tuple[float, float] = (1.0, 3.0)
    """Volunteers that a restart sends away come back after a random time in this range. It is
    short, because readers wait for them."""
    reading_page: Make | None = None
    """Makes the page at `/read`, which a publisher's blocked readers open; None serves none."""
    document_age_s: int = 60
    """How long caches may keep the descriptor and the widget's entry point."""

    volunteers: int = serverlimits.VOLUNTEERS
    """Most volunteers connected at once."""
    pending_offers: int = serverlimits.PENDING_OFFERS
    """Most offers waiting for answers at once."""
    volunteers_of_network: int = serverlimits.VOLUNTEERS_OF_NETWORK
    """Most volunteers connected at once from one /24 or /56. Like every number for one network,
    wider networks and crowds have as many for each of their shares (`core.origin`)."""
    network_requests: tuple[float, float] = serverlimits.NETWORK_REQUESTS
    """Requests of one client network (/24 or /56): how many at once, and how many a second. Beyond
    that each needs a proof of work."""
    network_flood: tuple[float, float] = serverlimits.NETWORK_FLOOD
    """Requests of one client network, at once and a second, beyond which they are not opened: that
    costs time, and only then can a proof of work be checked."""
    token_requests: tuple[float, float] = serverlimits.TOKEN_REQUESTS
    """Requests with one token, at once and a second. Beyond that each needs a proof of work."""
    network_offers: int = serverlimits.NETWORK_OFFERS
    """Most offers of one client network that wait for answers at once."""
    overload: float = 0.5
    """Share of `pending_offers` or of `waiting` from which on every request without a token needs a
    proof of work."""
    scarce: float = 0.1
    """Share of the volunteers: when no more have a free slot, every request without a token needs a
    proof of work."""
    proof_bits: int = limits.USUAL_PROOF_BITS
    """Zero bits of a proof of work. A broker that is more than half full asks for more."""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    """Proxies whose X-Forwarded-For is believed."""
    amp: bool = False
    """Whether AMP caches may fetch requests."""
    front_networks: tuple[IPNetwork, ...] = ()
    """Networks of caches and fronts that do not say for whom they ask. What they bring counts for
    a crowd, which has `limits.CROWD_SHARES` shares."""
    minimum: tuple[int, int, int] | None = None
    """The oldest release of client and widget that is let in; None lets in any."""
    returns_per_s: float = 200.0
    """Volunteers that are sent away come back at no higher rate than this, all together."""
    waiting: int = serverlimits.WAITING_OFFERS
    """Most offers waiting for a volunteer to come. Beyond, whoever has most gives way."""
    waiting_of_network: int = serverlimits.WAITING_OF_NETWORK
    """Most offers of one client network waiting for a volunteer to come."""
    network_volunteers: int | None = serverlimits.DISCLOSED_VOLUNTEERS
    """Most volunteers that one client network learns of in a day; None does not count them."""
    nonces: int = serverlimits.RENDEZVOUS_NONCES
    """Most nonces remembered against replay."""
