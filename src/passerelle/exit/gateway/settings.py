"""What an operator decides about a gateway: the table `gateway` of the configuration file."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle import limits


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Bounds and ways of one gateway. Numbers are more than 0."""

    site_connections: int = limits.GATEWAY_SITE_CONNECTIONS
    """Connections to the publisher's servers at once."""
    site_s: float = 30.0
    """Longest time that the site may take to begin its answer, and to go on with it."""
    exchange_s: float = limits.GATEWAY_EXCHANGE_S
    """Longest time for one answer of the site in all; its reader has `stalled_s` more. It is broken
    off then, and a reader may ask for the rest."""
    answer_bytes: int = 4 * 1024 * limits.MIB
    """Longest answer; what is beyond is cut off."""
    cache_bytes: int = limits.GATEWAY_CACHE_BYTES
    """Memory for answers that all readers share."""
    cached_bytes: int = limits.GATEWAY_CACHED_BYTES
    """Longest answer that is shared."""
    link_idle_s: float = 600.0
    """Time after which a link without requests is closed."""
    stalled_s: float = 300.0
    """Time after which an answer is broken off whose reader takes nothing."""
    plain_http: bool = False
    """Whether `http:` addresses of the site are served. Between exit and site everybody can read
    and alter those."""
    roots: str | None = None
    """PEM file of the authorities that vouch for the site, in place of the system's."""
