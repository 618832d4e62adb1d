"""How often somebody may give a wrong login to a proxy that other machines reach."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

from passerelle import limits
from passerelle.core.address.host import IPAddress
from passerelle.core.bucket import Bucket

_IPV6_NETWORK_BYTES: Final = 8
"""A /64: one machine can take any address in it."""


class LoginTries:
    """How often each network may still give a wrong login. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._tries: dict[bytes, Bucket] = {}
        """By network; the one whose first wrong login is the oldest comes first."""

    def may_try(self, address: IPAddress, now: float) -> bool:
        """Return whether `address` has a try left."""
        tries = self._tries.get(_network(address))
        return tries is None or tries.left(now) >= 1

    def failed(self, address: IPAddress, now: float) -> None:
        """Count a wrong login from `address`."""
        network = _network(address)
        if network not in self._tries:
            if len(self._tries) >= limits.LOGIN_NETWORKS:
                del self._tries[next(iter(self._tries))]
            burst, per_s = limits.LOGIN_TRIES
            self._tries[network] = Bucket(per_s, burst, now)
        self._tries[network].spend(1, now)


def _network(address: IPAddress) -> bytes:
    packed = address.packed
    return packed[:_IPV6_NETWORK_BYTES] if isinstance(address, IPv6Address) else packed
