"""The network's descriptor: fetched from the invite's broker, and kept while it is fresh."""

from __future__ import annotations

import time
from typing import Final

import aiohttp

from passerelle import limits
from passerelle.errors import ConfigError, LocalError
from passerelle.wire import descriptor
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.invite import Invite
from passerelle.wire.ways import NETWORK_PATH

FRESH_S: Final = 600.0
"""The age at which a descriptor is fetched again before the next conversation with a broker."""
_FETCH_S: Final = 10.0


class NetworkUnreachable(LocalError):
    """No descriptor could be fetched."""


class NetworkSource:
    """The last descriptor whose signature was verified."""

    def __init__(self, invite: Invite, http: aiohttp.ClientSession) -> None:
        self._invite = invite
        self._http = http
        self._fetched_at = 0.0
        self.descriptor: Descriptor | None = None
        """It may have expired since."""

    async def describe(self) -> Descriptor:
        """Return a verified descriptor that has not expired, fetched where that is due.

        Raises NetworkUnreachable, and ConfigError where what came is not what the invite promises
        and never was.
        """
        known = self.descriptor
        now_s = time.time()
        is_valid = known is not None and now_s <= known.expires_s
        if known is not None and is_valid and time.monotonic() < self._fetched_at + FRESH_S:
            return known
        try:
            found = descriptor.verify(await self._fetch(), self._invite.operator_key, now_s=now_s)
        except (NetworkUnreachable, ConfigError) as error:
            if known is None:
                raise
            # The last one was verified, too: a bad answer does not take it away.
            if is_valid:
                return known
            # The invite is right, so this passes: a clock that jumped, or a page of somebody on
            # the way.
            raise NetworkUnreachable(str(error)) from error
        self._fetched_at = time.monotonic()
        if known is None or found.issued_s >= known.issued_s:
            self.descriptor = known = found
        return known

    async def _fetch(self) -> bytes:
        url = self._invite.url + NETWORK_PATH
        try:
            async with self._http.get(
                url, timeout=aiohttp.ClientTimeout(_FETCH_S), allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise NetworkUnreachable(f"the broker answered {answer.status}")
                document = b""
                async for part in answer.content.iter_any():
                    document += part
                    if len(document) > limits.DESCRIPTOR_BYTES:
                        break
                return document
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkUnreachable("the broker cannot be reached") from error
