"""The rendezvous method that asks the broker directly: `POST /v1/rendezvous`."""

from __future__ import annotations

import asyncio

from aiohttp import web

from passerelle.broker.config import BrokerConfig
from passerelle.broker.locator import PeerLocator
from passerelle.broker.rendezvous import Rendezvous
from passerelle.broker.stats import FOR_PAGES
from passerelle.errors import LinkCode, PeerError
from passerelle.io.server.web import disconnected
from passerelle.io.tasks import race
from passerelle.wire import rendezvous

_HEADERS = {"Cache-Control": "no-store", **FOR_PAGES}


class PostEndpoint:
    """The handler of the path."""

    def __init__(self, config: BrokerConfig, locator: PeerLocator, rendezvous: Rendezvous) -> None:
        self._config = config
        self._locator = locator
        self._rendezvous = rendezvous

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request. Its offers are withdrawn when the client goes away."""
        try:
            sealed = await self._body(request)
            sender = self._locator.sender(request)
            reply = await race(self._rendezvous.answer(sealed, sender), until=disconnected(request))
        except PeerError:
            reply = None
        if reply is None:
            return web.Response(status=400, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)
        return web.Response(body=reply, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)

    async def _body(self, request: web.Request) -> bytes:
        """Return the body, read no further than the largest sealed message. Raises PeerError."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > rendezvous.SEALED_BYTES:
                        raise PeerError(LinkCode.LIMIT, "a rendezvous request too large")
        except (TimeoutError, ConnectionError, web.RequestPayloadError) as error:
            raise PeerError(LinkCode.TIMEOUT, "a rendezvous request cut short") from error
        return bytes(body)
