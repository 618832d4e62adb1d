"""What a broker is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.invite import Invite


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
    """What `document` says."""
    widget_dir: Path | None = None
    """The built widget, with its manifest.json; None serves no widget."""
    invite: Invite | None = None
    """Written into the tag that `/embed` makes; None: the publisher has to paste it."""

    answer_timeout_s: float = 5.0
    """A rendezvous request is answered within this time, whatever the volunteers do."""
    patience_s: float = 2.5
    """A volunteer that has not answered for so long is given up for another one."""
    body_timeout_s: float = 10.0
    """A rendezvous request must have arrived whole by then."""
    hello_timeout_s: float = 10.0
    """A volunteer's first message must have come by then."""
    heartbeat_s: float = 30.0
    """Interval of WebSocket pings; one unanswered for half of it ends the connection."""
    grace_s: float = 2.0
    """Longest time spent on parting from volunteers."""
    link_ticket_s: int = 60
    """Life of a link ticket: from the offer until the volunteer has connected to the exit."""
    lane_ticket_s: int = 300
    """Life of a link ticket for a lane; it waits until the client finds that it wants one."""
    client_ticket_s: int = 3600
    """Life of a client ticket: it may start and resume sessions as long."""
    retry_s: tuple[float, float] = (5.0, 60.0)
    """Volunteers that are sent away come back after a random time in this range."""
    document_age_s: int = 60
    """How long caches may keep the descriptor and the widget's entry point."""

    volunteers: int = limits.VOLUNTEERS
    """Most volunteers connected at once."""
    pending_offers: int = limits.PENDING_OFFERS
    """Most offers waiting for answers at once."""
    nonces: int = limits.RENDEZVOUS_NONCES
    """Most nonces remembered against replay."""
