"""The keys that a gateway opens requests with: today's and yesterday's."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.core.gateway.seen import SeenRequests
from passerelle.wire import oblivious
from passerelle.wire.gatewaykeys import VALID_DAYS, GatewaySeed, day_at, key_id
from passerelle.wire.oblivious import OpenedRequest, open_request

SeedSource = Callable[[float], GatewaySeed]
"""Returns the seed of the first day whose key is valid at a Unix time, and forgets earlier ones.

It may read and write a file; it is asked once a day.
"""


class DailyKeys:
    """The valid keys of one exit, with what was asked by each."""

    def __init__(
        self, source: SeedSource, exit_id: str, *, seen_bytes: int = limits.GATEWAY_SEEN_BYTES
    ) -> None:
        """`seen_bytes` is the memory against repeated requests, for each key."""
        self._source = source
        self._exit_id = exit_id
        self._seen_bytes = seen_bytes
        self._day = -1
        self._keys: dict[int, X25519PrivateKey] = {}
        self._seen: dict[int, SeenRequests] = {}

    def open(self, message: bytes, now_s: float) -> OpenedRequest:
        """Open a request at a Unix time. Raises PeerError as `wire.oblivious.open_request` does."""
        self._turn(now_s)
        return open_request(message, self._keys)

    def has_key_for(self, header: bytes, now_s: float) -> bool:
        """Whether `header`, the first 7 bytes of a request, names a key that is valid now."""
        self._turn(now_s)
        return header == oblivious.header(header[0]) and header[0] in self._keys

    def is_new(self, message: bytes, opened: OpenedRequest) -> bool:
        """Return whether an opened request came for the first time; it counts as come then."""
        seen = self._seen.get(message[0])
        return seen is not None and seen.add(opened.enc)

    def _turn(self, now_s: float) -> None:
        """Replace the keys where a day has begun. A clock that is set back brings no key back."""
        day = day_at(now_s)
        if day <= self._day:
            return
        self._day = day
        seed = self._source(now_s)
        made = seed.keys(self._exit_id, VALID_DAYS)
        self._keys = {key_id(seed.day + n): key for n, key in enumerate(made)}
        self._seen = {
            number: self._seen.get(number)
            or SeenRequests(secrets.token_bytes(16), self._seen_bytes)
            for number in self._keys
        }
