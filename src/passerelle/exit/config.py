"""What an exit is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.quota import Quota
from passerelle.io.tunnel.tls import LinkIdentity


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things may last. Zero or less would end them at once; there is no "for ever"."""

    handshake_s: float = 20.0
    """From a link's WebSocket until its HELLO; the volunteer connects before the client has
    found its way to the volunteer."""
    grace_s: float = 60.0
    """A session outlives the loss of all its links for so long."""
    session_idle_s: float = 3600.0
    """A session without any stream ends after so long."""
    session_total_s: float = 86_400.0
    """Every session ends after so long; the client starts another."""
    stream_idle_s: float = 600.0
    """A stream on which nothing moves is broken off after so long."""
    stream_total_s: float = 43_200.0
    """Every stream is broken off after so long."""
    flow_idle_s: float = 120.0
    """A UDP flow ends after its client has sent nothing for so long; RFC 9298 §3.1 and RFC 4787
    §4.3 ask for two minutes at least."""
    drain_s: float = 30.0
    """After SIGTERM streams may go on for so long."""


@dataclass(frozen=True, slots=True)
class ExitConfig:
    """Keys, policy, timings and capacity of one exit."""

    exit_id: str
    """Its name in the descriptor; tickets for another exit are worth nothing here."""
    identity: LinkIdentity
    """Proves the exit inside every link."""
    ticket_keys: tuple[Ed25519PublicKey, ...]
    """Public halves of the keys that brokers sign tickets with."""
    policy: ConnectionPolicy = field(default_factory=ConnectionPolicy)
    """What it connects to."""
    direct: bool = False
    """Whether clients may open links themselves; say the same in the descriptor."""
    quota: Quota = field(default_factory=Quota)
    """What each client ticket entitles to."""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    rate_bytes_s: float | None = None
    """Rate towards readers that sessions share equally while it is used up; None: the line is no
    bottleneck, and they share the processor."""
    refusal_s: float = 0.5
    """What the policy denies is answered a multiple of this after the request."""
    links: int = limits.EXIT_LINKS
    """Most links at once."""
    sessions: int = limits.EXIT_SESSIONS
    """Most sessions at once."""
    face: Path | None = None
    """Folder of static files that strangers see; None: an empty web server."""
