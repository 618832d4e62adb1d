"""What an exit is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.core.policy import Policy
from passerelle.io.tls import LinkIdentity


@dataclass(frozen=True, slots=True)
class ExitConfig:
    """Keys, policy, timings and capacity of one exit."""

    exit_id: str
    """Its name in the descriptor; tickets for another exit are worth nothing here."""
    identity: LinkIdentity
    """Proves the exit inside every link."""
    ticket_keys: tuple[Ed25519PublicKey, ...]
    """Public halves of the keys that brokers sign tickets with."""
    policy: Policy = field(default_factory=Policy)
    """What it connects to."""
    direct: bool = False
    """Whether clients may open links themselves; say the same in the descriptor."""
    handshake_timeout_s: float = 20.0
    """From a link's WebSocket until its HELLO; the volunteer connects before the client has
    found its way to the volunteer."""
    grace_s: float = 60.0
    """A session outlives the loss of all its links for so long."""
    flow_idle_s: float = 120.0
    """A UDP flow ends after its client has sent nothing for so long; RFC 9298 §3.1 and RFC 4787
    §4.3 ask for two minutes at least."""
    links: int = limits.EXIT_LINKS
    """Most links at once."""
    sessions: int = limits.EXIT_SESSIONS
    """Most sessions at once."""
