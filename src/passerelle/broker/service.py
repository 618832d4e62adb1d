"""The broker as a whole: its routes, and how it ends."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from aiohttp import hdrs, web

from passerelle.broker.assets import Assets
from passerelle.broker.config import BrokerConfig
from passerelle.broker.embed import Editor
from passerelle.broker.rendezvous import Rendezvous
from passerelle.broker.volunteers import Volunteers

COUNT_STEP = 8
"""Published counts are rounded up to a multiple of this, so that nobody is counted out."""

_log = logging.getLogger(__name__)


class Broker:
    """Introduces clients to volunteers. May share an application with an exit."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        clock: Callable[[], float] = time.time,
        token: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes.

        Reads the widget's files; raises ConfigError when they are not all there.
        """
        self._config = config
        self._document = config.document
        self._volunteers = Volunteers(config, token)
        self._rendezvous = Rendezvous(config, self._volunteers, clock=clock, token=token)
        self._assets = config.widget_dir and Assets(
            config.widget_dir, entry_age_s=config.document_age_s
        )
        self._open = False

    def add_routes(self, app: web.Application) -> None:
        """Serve the broker's paths from `app`."""
        router = app.router
        router.add_get("/v1/network", self._network)
        router.add_get("/v1/volunteer", self._volunteers.handle, allow_head=False)
        router.add_post("/v1/rendezvous", self._rendezvous.handle)
        router.add_get("/healthz", self._health)
        if self._assets:
            router.add_get("/w/{file}", self._assets.handle)
            router.add_get("/embed", Editor(self._config, self._assets).handle)
        self._open = True
        _log.info(
            "broker for %d exits starts, %s the widget's files",
            len(self._config.descriptor.exits),
            "with" if self._assets else "without",
        )

    def publish(self, document: bytes) -> None:
        """Serve `document` from now on: the same network, signed anew before the old one ends."""
        self._document = document

    async def close(self) -> None:
        """Send all volunteers away with a time to come back, within the grace time. Idempotent.

        Requests in progress are answered without them; later ones are refused as busy. Call it
        before the web server stops.
        """
        await self._volunteers.close()
        if self._open:
            self._open = False
            _log.info("broker stops")

    async def _network(self, request: web.Request) -> web.Response:
        response = web.Response(
            body=self._document,
            content_type="application/json",
            headers={
                "Access-Control-Allow-Origin": "*",
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Cache-Control": f"public, max-age={self._config.document_age_s}",
            },
        )
        if hdrs.ORIGIN in request.headers:
            # A page. Its browser would keep the connection, and close it with packets long after
            # the visitor has turned the switch off.
            response.force_close()
        return response

    async def _health(self, _request: web.Request) -> web.Response:
        closing = self._volunteers.closing
        return web.json_response(
            {
                "status": "closing" if closing else "ok",
                "volunteers": _rounded(len(self._volunteers)),
                "available": _rounded(self._volunteers.available),
            },
            status=503 if closing else 200,
            headers={"Cache-Control": "no-store"},
        )


def _rounded(count: int) -> int:
    return -(-count // COUNT_STEP) * COUNT_STEP
