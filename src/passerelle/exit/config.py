"""The configuration of one exit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.core.address.classes import IPNetwork
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.quota import Quota
from passerelle.exit.gateway.keys import SeedSource
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.io.tunnel.tls import LinkIdentity


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things may last. Every time is more than 0, and nothing lasts for ever."""

    handshake_s: float = 20.0
    """Longest time from a link's WebSocket to its HELLO: the volunteer connects to the exit before
    the client has found its way to the volunteer."""
    grace_s: float = 60.0
    """Time for which a session outlives the loss of all its links."""
    session_idle_s: float = 3600.0
    """Time after which a session without any stream ends."""
    session_total_s: float = 86_400.0
    """Time after which every session ends; the client starts another."""
    stream_idle_s: float = 600.0
    """Time after which a stream on which nothing moves is broken off."""
    stream_total_s: float = 43_200.0
    """Time after which every stream is broken off."""
    flow_idle_s: float = 120.0
    """Time after which a UDP flow ends whose client sends nothing: RFC 9298 §3.1 and RFC 4787 §4.3
    ask for two minutes at least."""
    drain_s: float = 30.0
    """Time for which streams may go on after SIGTERM."""


@dataclass(frozen=True, slots=True)
class ExitConfig:
    """Keys, policy, timings and capacity of one exit."""

    exit_id: str
    """The exit's name in the descriptor; it accepts no ticket for another exit."""
    identity: LinkIdentity
    """Key and certificate by which the exit proves itself inside every link."""
    ticket_keys: tuple[Ed25519PublicKey, ...]
    """Keys that check the brokers' tickets."""
    policy: ConnectionPolicy = field(default_factory=ConnectionPolicy)
    """What the exit connects to."""
    direct: bool = False
    """Whether clients may open links without a volunteer: straight, which the descriptor then says,
    or through a door."""
    tests: bool = True
    """Whether volunteers may find out here how fast they are."""
    quota: Quota = field(default_factory=Quota)
    """What the holder of one client ticket may use."""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    rate_bytes_s: float | None = None
    """Rate towards readers that sessions share equally while it is used up. None if the line is no
    bottleneck; sessions then share the processor."""
    refusal_s: float = 0.5
    """The refusal of a denied destination comes a multiple of this time after the request."""
    links: int = limits.EXIT_LINKS
    """Links that may be open at once."""
    sessions: int = limits.EXIT_SESSIONS
    """Sessions that may be alive at once."""
    trusted_proxies: tuple[IPNetwork, ...] = ()
    """Proxies whose X-Forwarded-For is believed."""
    held_bytes: int = limits.EXIT_HELD_BYTES
    """Memory that all sessions together may hold; beyond it the heaviest ones are ended."""
    decoy_site: Path | None = None
    """Folder of static files that strangers see; None if they see an empty web server."""
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    """Bounds of the gateway for reading pages."""
    gateway_seed: SeedSource | None = None
    """The seed of the gateway's keys; None, or a policy without sites, means no gateway."""
