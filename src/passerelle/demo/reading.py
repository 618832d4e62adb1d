"""Run `passerelle demo --reader`: a blocked newspaper is read in a browser with nothing installed.

A first browser is the volunteer. A second one opens the reading page on a mirror and reads the
newspaper. All of it runs on this computer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web
from rich.console import Console

from passerelle import readingpage
from passerelle.browser import find_chromium, missing_browser_message
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.demo import herald, sites
from passerelle.demo.browser import Browser, launch
from passerelle.demo.output import TerminalOutput
from passerelle.demo.run import (
    DEADLINE_S,
    HOST,
    DemoSettings,
    free_port,
    has_screen,
    require_port,
)
from passerelle.demo.switch import turn_on
from passerelle.errors import ConfigError, LocalError
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.settings import ExitSettings
from passerelle.io.server.web import WebServer, application
from passerelle.keyring import Keyring
from passerelle.listen import ListenAddress
from passerelle.readingpage import ReadingPage
from passerelle.serve import BUILT_WIDGET, ServeConfig, Servers
from passerelle.wire.gatewaykeys import SEED_BYTES, GatewaySeed, day_at

START: Final = "document.querySelector('button.start')"
"""JavaScript for the button with which a reader begins."""
SHOWN: Final = "document.querySelector('iframe')?.contentDocument"
"""JavaScript for the document of the site that a reader sees."""
OPEN: Final = ("--disable-features=WebRtcHideLocalIpsWithMdns",)
"""Both browsers name their addresses on this computer. Elsewhere a STUN server tells them the
public ones; here there is none."""
TROUBLE: Final = "document.querySelector('.trouble')?.textContent"
SAID: Final = "document.querySelector('.summary')?.textContent"
"""JavaScript for what the reading page says of its links, and of what is wrong."""
READ_S: Final = 30.0
"""How long the front page may take after the reader's click."""


class ReadingDemo:
    """One run. `arrived` is whether the newspaper was read."""

    def __init__(self, settings: DemoSettings, console: Console | None = None) -> None:
        self._settings = settings
        self._output = TerminalOutput(console or Console(highlight=False))
        self._windowed = has_screen() and not settings.headless
        self.arrived = False

    async def run(self) -> None:
        """Run the demo. With `once` it returns after the story, otherwise it runs until cancelled.

        Raises LocalError or ConfigError with the reason when the story did not come.
        """
        require_port(self._settings.port)
        if find_chromium() is None:
            raise LocalError(missing_browser_message())
        if not BUILT_WIDGET.is_dir():
            raise ConfigError("The widget is not built yet. Run `make widget` once.")
        async with AsyncExitStack() as stack:
            try:
                limit_s = None if self._windowed and not self._settings.once else DEADLINE_S
                async with asyncio.timeout(limit_s):
                    reader = await self._set_up(stack)
            except TimeoutError as error:
                raise LocalError(
                    f"The demo did not finish within {DEADLINE_S:.0f} s. It was at: "
                    f"{self._output.doing}."
                ) from error
            if not self._settings.once:
                await reader.wait_closed()
                self._output.say("The reader's browser was closed, so the demo ends.")

    async def _set_up(self, stack: AsyncExitStack) -> Browser:
        output = self._output
        with output.step("Starting the blocked newspaper", "A blocked newspaper is online"):
            site = await stack.enter_async_context(WebServer(herald.newspaper(), HOST, 0))
        with output.step("Starting broker and exit", "Broker and exit are running"):
            servers = await stack.enter_async_context(network(site.port))
        with output.step("Making the reading page", "The reading page is on a mirror"):
            page = ReadingPage(
                site=(f"http://{herald.NAME}:{site.port}",),
                invite=str(servers.invite.plain),
                brokers=(servers.invite.url,),
                document=servers.document,
            )
            files = readingpage.mirror(readingpage.built(), page)
            mirror = await stack.enter_async_context(
                WebServer(static_host(files), HOST, self._settings.port)
            )
        with output.step("Turning a volunteer's switch on", "A volunteer's browser waits"):
            await self._volunteer(stack, servers)
        address = f"http://localhost:{mirror.port}/"
        with output.step("Opening the reading page in a second browser", "The page is open"):
            reader = await stack.enter_async_context(
                launch(headless=not self._windowed, extra=(*OPEN, "--window-size=900,900"))
            )
            await reader.navigate(address)
            await reader.until(START)
        if self._windowed:
            output.say(f"  Press the button on the page in the new window ({address}).")
        with output.step("Reading the newspaper through the volunteer", "The front page is there"):
            if not self._windowed:
                await reader.evaluate(f"{START}.click()")
            await reader.until(f"!{START}")
            await self._shows(reader, "The Herald")
        self.arrived = True
        output.reading_path(page=address, site=f"http://{herald.NAME}:{site.port}/")
        if not self._settings.once:
            if self._windowed:
                output.say("Open a story in that window, search, go back; then tap the sign below.")
            output.say("Press Ctrl-C to stop everything.")
        return reader

    async def _shows(self, reader: Browser, words: str) -> None:
        """Wait until the site's page with these words and its pictures are shown.

        Raises LocalError with the reading page's own words when that takes too long.
        """
        pictures = f"[...({SHOWN}?.images ?? [])]"
        loaded = f"{pictures}.every((image) => image.naturalWidth > 0)"
        try:
            async with asyncio.timeout(READ_S):
                await reader.until(f"{SHOWN}?.body?.innerText.includes('{words}') && {loaded}")
        except TimeoutError as error:
            # Most troubles pass, so none of them ends the demo at once.
            trouble = await reader.evaluate(TROUBLE) or await reader.evaluate(SAID)
            raise LocalError(f"The front page did not come. The page says: {trouble}") from error

    async def _volunteer(self, stack: AsyncExitStack, servers: Servers) -> None:
        assert servers.tag is not None
        publisher = await stack.enter_async_context(
            WebServer(sites.publisher(servers.tag), HOST, 0)
        )
        browser = await stack.enter_async_context(launch(headless=True, extra=OPEN))
        await browser.navigate(f"http://{HOST}:{publisher.port}/")
        await turn_on(browser)


def network(
    site_port: int,
    names: tuple[str, ...] = (herald.NAME,),
    *,
    roots: str | None = None,
    keys: Keyring | None = None,
) -> Servers:
    """Return a network's servers, whose exit serves a site at a port of this computer.

    `roots` is a PEM file of the authorities that vouch for the site, in place of the system's.
    `keys` are the network's; new ones if they are not given.
    """
    port = free_port()
    seed = secrets.token_bytes(SEED_BYTES)
    config = ServeConfig(
        name="Passerelle demo",
        url=f"http://{HOST}:{port}",
        listen=ListenAddress(HOST, port),
        settings=ExitSettings(
            policy=ConnectionPolicy(
                allow=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
                ports=frozenset({site_port}),
                sites=names,
            ),
            gateway=GatewaySettings(plain_http=True, roots=roots),
        ),
        gateway_seed=lambda now_s: GatewaySeed(day_at(now_s) - 1, seed),
        widget_dir=BUILT_WIDGET,
    )
    return Servers(config, keys or Keyring.generate())


def static_host(files: Mapping[str, bytes]) -> web.Application:
    """Return a host of a mirror's files, which shows `index.html` for every other path."""
    types = {
        "html": "text/html",
        "js": "text/javascript",
        "css": "text/css",
        "json": "application/json",
    }

    async def handle(request: web.Request) -> web.Response:
        path = request.path.lstrip("/")
        content = files.get(path)
        ending = path.rpartition(".")[2] if content is not None else "html"
        response = web.Response(
            body=files["index.html"] if content is None else content,
            content_type=types.get(ending, "application/octet-stream"),
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )
        response.enable_compression()
        return response

    app = application()
    app.router.add_get("/{path:.*}", handle)
    return app
