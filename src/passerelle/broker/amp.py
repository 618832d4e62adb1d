"""The rendezvous method for AMP caches: requests in a URL's path, replies on a page.

`GET /v1/amp/rendezvous/TEXT` and `GET /v1/amp/network`, where the operator turned them on. A cache
does not say whom it asks for, so the client's address is not known; the cache's own is, and the
request counts for that.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from passerelle import limits
from passerelle.broker.locator import PeerLocator
from passerelle.broker.rendezvous import Rendezvous
from passerelle.errors import PeerError
from passerelle.io.server.web import disconnected
from passerelle.io.tasks import race
from passerelle.wire import amp, base64url, ways

_REPLY_AGE_S: Final = 15
"""How long caches may keep a reply. They ignore shorter times, and it does no harm: no two requests
have the same URL."""


class AmpEndpoint:
    """Makes the responses for both paths."""

    def __init__(
        self, locator: PeerLocator, rendezvous: Rendezvous, *, document_age_s: int
    ) -> None:
        self._locator = locator
        self._rendezvous = rendezvous
        self._document_age_s = document_age_s

    def document(self, request: web.Request, document: bytes) -> web.Response:
        """Return the page with the signed descriptor."""
        return _page(request, document, self._document_age_s)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one sealed request; whatever cannot be used gets one and the same response."""
        try:
            sealed = base64url.decode(request.match_info["sealed"])
            if len(sealed) > limits.TEXT_SEALED_BYTES:
                raise web.HTTPBadRequest(text="")
            sender = self._locator.sender(request, cached=True)
            reply = await race(self._rendezvous.answer(sealed, sender), until=disconnected(request))
        except (PeerError, ValueError):
            raise web.HTTPBadRequest(text="") from None
        if reply is None:
            raise web.HTTPBadRequest(text="")
        return _page(request, reply, _REPLY_AGE_S)


def _page(request: web.Request, message: bytes, age_s: int) -> web.Response:
    return web.Response(
        body=amp.page(message, str(request.url.with_path(ways.AMP_NETWORK_PATH))),
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": f"public, max-age={age_s}"},
    )
