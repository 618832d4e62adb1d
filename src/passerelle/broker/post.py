"""The rendezvous method that asks the broker directly: `POST /v1/rendezvous`."""

from __future__ import annotations

from aiohttp import web

from passerelle.broker.config import BrokerConfig
from passerelle.broker.doorcounts import DoorCounts
from passerelle.broker.locator import PeerLocator
from passerelle.broker.rendezvous import Rendezvous
from passerelle.errors import PeerError
from passerelle.io.server.web import FOR_PAGES, body_of, disconnected
from passerelle.io.tasks import race
from passerelle.wire import doors, rendezvous

_HEADERS = {"Cache-Control": "no-store", **FOR_PAGES}


class PostEndpoint:
    """The handler of the path."""

    def __init__(
        self,
        config: BrokerConfig,
        locator: PeerLocator,
        rendezvous: Rendezvous,
        counts: DoorCounts,
    ) -> None:
        self._counts = counts
        self._config = config
        self._locator = locator
        self._rendezvous = rendezvous

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request. Its offers are withdrawn when the client goes away."""
        door, sealed = self._locator.door(request), b""
        try:
            sealed = await body_of(
                request, most=rendezvous.SEALED_BYTES, within_s=self._config.body_timeout_s
            )
            if door is not None and sealed == doors.TRIAL:
                # The watch over the doors asks so, several times a minute: that is no reader's.
                return _answer(doors.receipt(request.headers[doors.HEADER]))
            sender = self._locator.sender(request)
            reply = await race(self._rendezvous.answer(sealed, sender), until=disconnected(request))
        except PeerError:
            reply = None
        if door is not None:
            self._counts.answered(door, len(sealed), reply)
        if reply is None:
            return web.Response(status=400, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)
        return _answer(reply)


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=rendezvous.CONTENT_TYPE, headers=_HEADERS)
