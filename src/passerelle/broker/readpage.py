"""The page at `/read`: the second tier of a publisher's reading page, in one file.

It is what `passerelle page` writes as `reader.html`, with the network's present description in it.
The whole site in a frame needs a host name of its own, so a broker serves no mirror.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from passerelle.broker.assets import takes_gzip

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}

Make = Callable[[bytes], tuple[bytes, str]]
"""Makes the page of the network's signed document; returns its bytes and its content security
policy."""


class ReadPage:
    """The handler of `GET /read`."""

    def __init__(self, make: Make, document: bytes) -> None:
        """Make the page of `document`."""
        self._make = make
        self.publish(document)

    def publish(self, document: bytes) -> None:
        """Serve the page with `document` in it from now on."""
        self._body, policy = self._make(document)
        self._packed = gzip.compress(self._body, mtime=0)
        self._tag = hashlib.sha256(self._body).hexdigest()[:32]
        self._headers = {
            **HEADERS,
            "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
            "Content-Type": "text/html; charset=utf-8",
            # The packed bytes and the plain ones share it.
            "ETag": f'W/"{self._tag}"',
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with the page, or with 304 if the browser has this one."""
        if any(known.value in (self._tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=self._headers)
        if not takes_gzip(request):
            return web.Response(body=self._body, headers=self._headers)
        headers = {**self._headers, hdrs.CONTENT_ENCODING: "gzip"}
        return web.Response(body=self._packed, headers=headers)
