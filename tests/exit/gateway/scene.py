"""A publisher's site, an exit with a gateway for it, and readers on links to it."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
from aiohttp import web

from passerelle.exit.gateway.gateway import AskBroker
from passerelle.exit.gateway.post import POST_PATH
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.reports import Reporter
from passerelle.exit.service import Exit
from passerelle.io.server.metrics import Metrics
from passerelle.io.server.web import WebServer, application
from passerelle.io.tasks import race
from passerelle.wire import doors
from passerelle.wire.gatewayframes import SUBPROTOCOL
from passerelle.wire.gatewaykeys import GatewaySeed, configurations, day_at
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.tickets import TicketKind
from tests.network import EXIT_ID, HOST, LOOPBACK, exit_config, ticket
from tests.rig.certificate import Certificate
from tests.rig.pagereader import PageReader

SITE = "localhost"
POLICY = replace(LOOPBACK, sites=(SITE, f"*.{SITE}"))


class Publisher:
    """The publisher's site: it counts what it is asked, and answers as each test wants."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        """Holds back the second half of `/slow`, and `/late` altogether."""
        self.gone = asyncio.Event()
        """Set when a reader of `/slow` went away before its end."""
        self.app = web.Application(client_max_size=4 * 1024 * 1024)
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.path == path for request in self.asked)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        fields = {name: value for name, value in request.query.items() if name[0].isupper()}
        match request.path:
            case "/slow":
                return await self._slow(request)
            case "/trickle":
                return await self._trickle(request, fields)
            case "/late":
                await self.gate.wait()
            case "/moved":
                raise web.HTTPFound("/elsewhere")
            case "/echo":
                return web.Response(body=self.bodies[-1], headers=fields)
            case "/many":
                return web.Response(headers={f"X-{n}": "y" * 100 for n in range(200)})
            case "/bytes":
                return web.Response(body=b"z" * int(request.query["n"]), headers=fields)
        return web.Response(text=f"story {len(self.asked)}", headers=fields)

    async def _trickle(self, request: web.Request, fields: Mapping[str, str]) -> web.StreamResponse:
        """Send a byte every 50 ms until the reader leaves."""
        response = web.StreamResponse(headers=fields)
        await response.prepare(request)
        while not _has_left(request):
            await response.write(b"z")
            await asyncio.sleep(0.05)
        return response

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begin ")
        # aiohttp lets a handler go on when its client has left.
        await race(self.gate.wait(), until=until(lambda: _has_left(request)))
        if _has_left(request):
            self.gone.set()
        else:
            await response.write(b"end")
        return response


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def until(check: Callable[[], object]) -> None:
    """Wait until something that makes no event is so; fail after 10 s."""
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Scene:
    """A running exit and its publisher's site."""

    def __init__(
        self, exit_: Exit, url: str, http: aiohttp.ClientSession, publisher: Publisher
    ) -> None:
        self.exit = exit_
        self.publisher = publisher
        self.site = ""
        self._url = url
        self._http = http

    async def open(self, *, protocol: str = SUBPROTOCOL) -> aiohttp.ClientWebSocketResponse:
        """Open a link as a volunteer does."""
        link_ticket = ticket(TicketKind.LINK)
        return await self._http.ws_connect(
            self._url + "/v1/link", protocols=(protocol, link_ticket), max_msg_size=0
        )

    def post(
        self, body: bytes | AsyncIterable[bytes], path: str = POST_PATH, *, door_key: str = ""
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a sealed request without a link, as a reader or as the door that has this key."""
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        own = {doors.HEADER: door_key} if door_key else None
        return self._http.post(self._url + path, data=data, headers=own)

    @asynccontextmanager
    async def reader(
        self,
        *,
        client_ticket: str | None = None,
        configuration: KeyConfiguration | None = None,
        generous: bool = True,
    ) -> AsyncIterator[PageReader]:
        """A reader on a link of its own."""
        made = PageReader(
            await self.open(),
            configuration or KEY,
            ticket(TicketKind.CLIENT) if client_ticket is None else client_ticket,
            generous=generous,
        )
        async with made:
            yield made


SEED = GatewaySeed(day_at(time.time()) - 1, secrets.token_bytes(32))
OLD_KEY, KEY, NEXT_KEY = map(KeyConfiguration.decode, configurations(SEED, EXIT_ID, 3))


@asynccontextmanager
async def scene(
    *,
    certificate: Certificate | None = None,
    gateway: GatewaySettings | None = None,
    metrics: Metrics | None = None,
    reporter: Reporter | None = None,
    ask_broker: AskBroker | None = None,
    door_urls: Mapping[str, str] | None = None,
    **changes: Any,
) -> AsyncIterator[Scene]:
    """Run a site, with a certificate or without TLS, and an exit with a gateway for it. `door_urls`
    are those of the network's doors by their keys."""
    settings = gateway or GatewaySettings()
    if certificate is None:
        settings = replace(settings, plain_http=True)
    config = exit_config(
        **{"policy": POLICY, "gateway": settings, "gateway_seed": lambda _: SEED} | changes
    )
    publisher = Publisher()
    async with AsyncExitStack() as stack:
        tls = None if certificate is None else certificate.context()
        site = await stack.enter_async_context(
            WebServer(publisher.app, HOST, 0, tls=tls, grace_s=0.1)
        )
        exit_ = Exit(
            config, metrics=metrics, reporter=reporter, ask_broker=ask_broker, doors=door_urls
        )
        stack.push_async_callback(exit_.close)
        app = application()
        exit_.add_routes(app)
        server = await stack.enter_async_context(WebServer(app, HOST, 0, grace_s=0.1))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        made = Scene(exit_, f"http://{HOST}:{server.port}", http, publisher)
        made.site = f"{'http' if certificate is None else 'https'}://{SITE}:{site.port}"
        stack.push_async_callback(exit_.close)
        yield made
        publisher.gate.set()
