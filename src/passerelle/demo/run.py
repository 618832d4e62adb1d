"""Run the demo: every part of the network in this process, and a real browser as the volunteer."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from passerelle.browser import find_chromium, missing_browser_message
from passerelle.browserports import BLOCKED_PORTS
from passerelle.client.config import ClientConfig
from passerelle.client.notices import LinkUp, NetworkLoaded, Notice
from passerelle.client.service import Client
from passerelle.console import sentence
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.demo import sites
from passerelle.demo.browser import Browser, launch
from passerelle.demo.fetch import Page, fetch
from passerelle.demo.output import TerminalOutput
from passerelle.demo.switch import PHASE, turn_on, turned_on
from passerelle.errors import ConfigError, LocalError
from passerelle.exit.settings import ExitSettings
from passerelle.io.listening import cannot_listen
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.listen import ListenAddress
from passerelle.serve import BUILT_WIDGET, ServeConfig, Servers

HOST: Final = "127.0.0.1"
DEADLINE_S: Final = 60.0
"""How long the demo may take until the page arrives, if it does not wait for a person's click."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The options of the command line."""

    once: bool = False
    """Whether to end after the fetch."""
    headless: bool = False
    """Whether to run the browser without a window even if there is a screen."""
    port: int = 0
    """The port of the publisher's page; 0 takes a free one."""


class Demo:
    """One run of the demo.

    `arrived` is whether the blocked page came; it holds even after a failure or an interruption.
    """

    def __init__(self, settings: DemoSettings, console: Console | None = None) -> None:
        self._settings = settings
        self._output = TerminalOutput(console or Console(highlight=False))
        self._windowed = has_screen() and not settings.headless
        self._link = asyncio.Event()
        self._steps: tuple[tuple[str, float], ...] = ()
        self._last_notice = ""
        self.arrived = False

    async def run(self) -> None:
        """Run the demo. With `once` it returns after the fetch, otherwise it runs until cancelled.

        Raises LocalError or ConfigError with the reason when the page did not arrive. No process
        and no file is left behind, also when cancelled.
        """
        require_port(self._settings.port)
        if find_chromium() is None:
            raise LocalError(missing_browser_message())
        if not BUILT_WIDGET.is_dir():
            raise ConfigError("The widget is not built yet. Run `make widget` once.")
        async with AsyncExitStack() as stack:
            # A person at the window may take any time to click, so there is no deadline then.
            limit_s = None if self._windowed and not self._settings.once else DEADLINE_S
            try:
                async with asyncio.timeout(limit_s):
                    browser = await self._set_up(stack)
            except TimeoutError as error:
                raise LocalError(self._too_late()) from error
            if not self._settings.once:
                await self._stay(browser)

    async def _set_up(self, stack: AsyncExitStack) -> Browser:
        output = self._output
        with output.step("Starting the blocked site", "A blocked site is running"):
            site = await stack.enter_async_context(WebServer(sites.blocked(), HOST, 0))
        with output.step("Starting broker and exit", "Broker and exit are running"):
            servers = await stack.enter_async_context(self._servers(site.port))
        with output.step("Starting the publisher's site", "The publisher's page is online"):
            assert servers.tag is not None
            publisher = await stack.enter_async_context(
                WebServer(sites.publisher(servers.tag), HOST, self._settings.port)
            )
        page_url = f"http://{HOST}:{publisher.port}/"
        with output.step("Opening the page in a browser", "The page is open in a browser"):
            browser = await stack.enter_async_context(
                launch(headless=not self._windowed, extra=("--window-size=1200,900",))
            )
            await browser.navigate(page_url)
            await browser.until(f"{PHASE} !== undefined")
        await self._switch_on(browser, page_url)
        with output.step("Connecting the client through the volunteer", "The client has its link"):
            client = Client(
                ClientConfig(invite=servers.invite, listen_host=HOST, listen_port=0), self._observe
            )
            stack.push_async_callback(client.close)
            await client.start()
            await self._link.wait()
        with output.step("Fetching the blocked page", "The blocked page arrived, every byte of it"):
            page = await fetch(client.port, HOST, site.port, sites.ARTICLE_PATH)
            _check(page)
        self.arrived = True
        site_url = f"http://{HOST}:{site.port}{sites.ARTICLE_PATH}"
        output.path(volunteer=f"browser on {page_url}", site=site_url)
        output.timing(self._steps, page)
        if not self._settings.once:
            output.say(f"Publisher's page:  {page_url}")
            output.say(f"Invite:            {servers.invite}")
            output.say(f"Local proxy:       {HOST}:{client.port} (SOCKS5 and HTTP)")
            output.say("Try it yourself:")
            output.say(f"    curl --socks5-hostname {HOST}:{client.port} {site_url}")
            output.say(f"    curl --proxy http://{HOST}:{client.port} {site_url}")
            output.say("Press Ctrl-C to stop everything.")
        return browser

    def _servers(self, site_port: int) -> Servers:
        # The port is chosen before anything listens on it, because the descriptor has to name it.
        port = free_port()
        config = ServeConfig(
            name="Passerelle demo",
            url=f"http://{HOST}:{port}",
            listen=ListenAddress(HOST, port),
            settings=ExitSettings(
                policy=ConnectionPolicy(
                    allow=(ipaddress.ip_network(f"{HOST}/32"),), ports=frozenset({site_port})
                )
            ),
            widget_dir=BUILT_WIDGET,
        )
        return Servers(config, Keyring.generate())

    async def _switch_on(self, browser: Browser, page_url: str) -> None:
        if self._windowed:
            self._output.say(f"  Flip the switch on the page in the browser window ({page_url}).")
            doing = "Waiting for you to flip the switch"
        else:
            doing = "Flipping the switch on the page"
        with self._output.step(doing, "The switch is on: a volunteer waits"):
            await (turned_on(browser) if self._windowed else turn_on(browser))

    def _observe(self, notice: Notice) -> None:
        if isinstance(notice, LinkUp) and not self._link.is_set():
            self._steps = notice.steps
            self._link.set()
        elif not isinstance(notice, (LinkUp, NetworkLoaded)):
            self._last_notice = sentence(notice)

    async def _stay(self, browser: Browser) -> None:
        await browser.wait_closed()
        self._output.say("The browser was closed: the volunteer has left. Press Ctrl-C to end.")
        await asyncio.Event().wait()

    def _too_late(self) -> str:
        heard = f" The client last said: {self._last_notice}" if self._last_notice else ""
        return (
            f"The demo did not finish within {DEADLINE_S:.0f} s. It was at: "
            f"{self._output.doing}.{heard} Run it again with `passerelle --debug demo` to see more."
        )


def has_screen() -> bool:
    """Whether this machine can show a window."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def require_port(port: int) -> None:
    """Raise an error that says why the demo's page cannot have this port of `HOST`; 0 is any.

    Raises ConfigError for one that browsers refuse, and LocalError for one that is taken, or closed
    to this account.
    """
    if port == 0:
        return
    if port in BLOCKED_PORTS:
        raise ConfigError(
            f"--port {port} cannot be used: no browser opens a page there, because the port "
            "belongs to another protocol. Choose another one, for example --port 8000, or leave "
            "--port out."
        )
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise cannot_listen(HOST, port, error) from error


def free_port() -> int:
    """Return a TCP port on which nothing listens at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _check(page: Page) -> None:
    if page.status != 200:
        raise LocalError(f"The blocked site answered with status {page.status}.")
    if page.body != sites.article():
        raise LocalError("What arrived is not the page that the blocked site sent.")
