"""Drive a real Firefox, Debian's `firefox-esr`, headless.

A page's methods have the names that Playwright gives them, so a test can take either browser.
Selectors are CSS or Playwright's `role=button[name="Turn on"]`, and shadow roots are searched too.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.rig.program import Program
from tests.rig.remote import Remote, RemoteError, RemoteTimeout, WebSocketWire, as_json
from tests.rig.selector import FIND, parse

PROGRAM: Final = "firefox-esr"
SYSTEM_ACCESS: Final = "--remote-allow-system-access"
"""With this argument the browser's own windows can be driven too."""
STATE: Final = "() => document.querySelector('passerelle-switch')?.snapshot"
WAIT_S: Final = 30.0
POLL_S: Final = 0.05
CONSOLE_LINES_LIMIT: Final = 1000
QUIT_S: Final = 10.0

Preferences = Mapping[str, str | int | bool]

PREFERENCES: Final[Preferences] = {
    # Firefox sends nothing of its own over the network, so a capture shows only the page's traffic.
    # What remote control switches off anyway is not repeated here.
    "app.normandy.enabled": False,
    "app.shield.optoutstudies.enabled": False,
    "nimbus.rollouts.enabled": False,
    "browser.region.update.enabled": False,
    "browser.search.update": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.predictor.enabled": False,
    "services.settings.server": "data:,",
    "media.gmp-manager.url": "data:,",
    "media.gmp-manager.updateEnabled": False,
    # No backups of the profile, which would fail and show a notice.
    "browser.backup.enabled": False,
    # Relay through the loopback interface, so that no network card is needed in the test machine.
    "media.peerconnection.ice.loopback": True,
}

KEYS: Final = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Space": " ",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Shift": "\ue008",
}


class FirefoxPage:
    """One tab."""

    def __init__(self, browser: Firefox, bidi: Remote, *, context: str, user: str) -> None:
        self._browser = browser
        self._bidi = bidi
        self._context = context
        self._user = user
        self.console: collections.deque[str] = collections.deque(maxlen=CONSOLE_LINES_LIMIT)
        """Lines that the page wrote to its console, uncaught errors included."""

    async def goto(self, url: str, *, timeout_s: float = WAIT_S) -> None:
        """Open a page and wait until it is loaded."""
        await self._bidi.ask(
            "browsingContext.navigate",
            timeout_s=timeout_s,
            context=self._context,
            url=url,
            wait="complete",
        )

    async def reload(self) -> None:
        """Reload the page and wait until it is loaded."""
        await self._bidi.ask("browsingContext.reload", context=self._context, wait="complete")

    async def go_back(self) -> None:
        """Go one page back in the tab's history."""
        await self._bidi.ask("browsingContext.traverseHistory", context=self._context, delta=-1)

    async def bring_to_front(self) -> None:
        """Bring the tab to the front."""
        await self._bidi.ask("browsingContext.activate", context=self._context)

    async def set_viewport_size(self, width: int, height: int) -> None:
        """Set the size of the viewport, in CSS pixels."""
        await self._bidi.ask(
            "browsingContext.setViewport",
            context=self._context,
            viewport={"width": width, "height": height},
        )

    async def evaluate(self, expression: str, *, timeout_s: float = WAIT_S) -> Any:
        """Return the value of an expression, passed as JSON; a function is called, a promise
        awaited.

        Raises RemoteError with the page's message if it throws.
        """
        answer = await self._ask_script(
            "script.evaluate", timeout_s, expression=as_json(expression), userActivation=False
        )
        return json.loads(answer["value"]) if answer["type"] == "string" else None

    async def inner_text(self, selector: str, *, timeout_s: float = WAIT_S) -> str:
        """Return the visible text of an element, as soon as it exists."""
        node = await self._find(selector, None, timeout_s)
        answer = await self._ask_script(
            "script.callFunction",
            timeout_s,
            functionDeclaration="(node) => node.innerText",
            arguments=[{"sharedId": node}],
        )
        return str(answer["value"])

    async def wait_for_function(self, expression: str, *, timeout_s: float = WAIT_S) -> None:
        """Wait until an expression, or the result of a function, is true."""
        end_s = time.monotonic() + timeout_s
        while not await self.evaluate(expression):
            if time.monotonic() > end_s:
                raise RemoteTimeout(f"not true within {timeout_s} s: {expression}")
            await asyncio.sleep(POLL_S)

    async def click(
        self, selector: str, *, text: str | None = None, timeout_s: float = WAIT_S
    ) -> None:
        """Click the middle of an element as a person would, as soon as it is shown.

        With `text`, the element must contain that text.
        """
        node = await self._find(selector, text, timeout_s)
        pointer = {
            "type": "pointer",
            "id": "mouse",
            "actions": [
                {
                    "type": "pointerMove",
                    "x": 0,
                    "y": 0,
                    "origin": {"type": "element", "element": {"sharedId": node}},
                },
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        }
        await self._act(pointer)

    async def press(self, *keys: str) -> None:
        """Press keys in turn: each is a name of `KEYS`, a character, or `Shift+` and a key."""
        actions = []
        for key in keys:
            held = [KEYS.get(part, part) for part in key.split("+")]
            actions += [{"type": "keyDown", "value": value} for value in held]
            actions += [{"type": "keyUp", "value": value} for value in reversed(held)]
        await self._act({"type": "key", "id": "keyboard", "actions": actions})

    async def screenshot(self, path: Path, *, full_page: bool = False) -> None:
        """Write a picture of the visible part, or of the whole page, to `path` as PNG."""
        answer = await self._bidi.ask(
            "browsingContext.captureScreenshot",
            context=self._context,
            origin="document" if full_page else "viewport",
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    async def another(self, url: str) -> FirefoxPage:
        """Return a second tab at `url`, with the same storage as this one."""
        return await self._browser.new_tab(url, self._user)

    async def close(self) -> None:
        """Close the tab, as a person does."""
        await self._bidi.ask("browsingContext.close", context=self._context)

    async def _find(self, selector: str, text: str | None, timeout_s: float) -> str:
        end_s = time.monotonic() + timeout_s
        selector, text = parse(selector, text)
        arguments = [
            {"type": "string", "value": selector},
            {"type": "null"} if text is None else {"type": "string", "value": text},
        ]
        while True:
            answer = await self._ask_script(
                "script.callFunction", timeout_s, functionDeclaration=FIND, arguments=arguments
            )
            if answer["type"] == "node":
                return str(answer["sharedId"])
            if time.monotonic() > end_s:
                raise RemoteTimeout(f"nothing shown matches {selector!r} (text: {text!r})")
            await asyncio.sleep(POLL_S)

    async def _act(self, source: dict[str, Any]) -> None:
        await self._bidi.ask("input.performActions", context=self._context, actions=[source])

    async def _ask_script(self, method: str, timeout_s: float, **params: Any) -> dict[str, Any]:
        answer = await self._bidi.ask(
            method,
            timeout_s=timeout_s,
            target={"context": self._context},
            awaitPromise=True,
            **params,
        )
        if answer["type"] == "exception":
            raise RemoteError(answer["exceptionDetails"]["text"])
        result: dict[str, Any] = answer["result"]
        return result


class Firefox:
    """A headless Firefox for any number of pages; its profile is deleted when it ends."""

    def __init__(
        self, preferences: Preferences | None = None, *, arguments: tuple[str, ...] = ()
    ) -> None:
        """`preferences` are added to `PREFERENCES`, and override them."""
        self._preferences = {**PREFERENCES, **(preferences or {})}
        self._arguments = arguments
        self._stack = AsyncExitStack()
        self._pages: dict[str, FirefoxPage] = {}
        self._bidi: Remote
        self._program: Program
        self._version = ""

    @property
    def pid(self) -> int:
        """The id of the process from which all of Firefox's processes descend."""
        return self._program.pid

    @property
    def version(self) -> str:
        """The version that Firefox reports."""
        return self._version

    async def __aenter__(self) -> Self:
        program = shutil.which(PROGRAM)
        if program is None:
            raise AssertionError(
                f"{PROGRAM} is not on this machine. Install it: apt-get install {PROGRAM}"
            )
        async with AsyncExitStack() as stack:
            profile = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="passerelle-fox-", ignore_cleanup_errors=True)
            )
            self._write_preferences(Path(profile))
            words = ("--headless", "--no-remote", "--profile", profile)
            self._program = await stack.enter_async_context(
                Program(program, *words, "--remote-debugging-port", "0", *self._arguments)
            )
            found = await self._program.expect(r"WebDriver BiDi listening on (ws://\S+)")
            wire = WebSocketWire.connected(f"{found[1]}/session")
            self._bidi = await stack.enter_async_context(
                Remote(await stack.enter_async_context(wire), self._hear)
            )
            session = await self._bidi.ask("session.new", capabilities={})
            self._version = str(session["capabilities"]["browserVersion"])
            stack.push_async_callback(self._quit)
            await self._bidi.ask("session.subscribe", events=["log.entryAdded"])
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def open(self, url: str = "about:blank") -> FirefoxPage:
        """Return a new page at `url` with its own storage."""
        user = await self._bidi.ask("browser.createUserContext")
        return await self.new_tab(url, user["userContext"])

    async def install(self, extension: Path) -> None:
        """Install an unpacked extension, for as long as this browser runs."""
        await self._bidi.ask(
            "webExtension.install", extensionData={"type": "path", "path": str(extension)}
        )

    async def open_extension(self, url: str) -> FirefoxPage:
        """Return a new page at a `moz-extension:` address, which only the browser's window opens.

        The browser must have been started with `SYSTEM_ACCESS`.
        """
        windows: dict[str, Any] = {"moz:scope": "chrome"}
        tree = await self._bidi.ask("browsingContext.getTree", **windows)
        opening = f"gBrowser.selectedTab = gBrowser.addTrustedTab({json.dumps(url)}); 0"
        await self._bidi.ask(
            "script.evaluate",
            expression=opening,
            target={"context": tree["contexts"][0]["context"]},
            awaitPromise=False,
        )
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            tree = await self._bidi.ask("browsingContext.getTree")
            for context in tree["contexts"]:
                if context["url"] == url and context["context"] not in self._pages:
                    return self._page(context["context"], "default")
            await asyncio.sleep(POLL_S)
        raise RemoteTimeout(f"not open within {WAIT_S} s: {url}")

    async def new_tab(self, url: str, user: str) -> FirefoxPage:
        """Return a new page at `url` with the storage of a BiDi "user context"."""
        made = await self._bidi.ask("browsingContext.create", type="tab", userContext=user)
        page = self._page(made["context"], user)
        await page.goto(url)
        return page

    def _page(self, context: str, user: str) -> FirefoxPage:
        page = self._pages[context] = FirefoxPage(self, self._bidi, context=context, user=user)
        return page

    def _write_preferences(self, profile: Path) -> None:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in self._preferences.items()
        ]
        (profile / "user.js").write_text("".join(lines))

    async def _quit(self) -> None:
        # Ask the browser to close; `Program` kills it if it does not.
        with suppress(RemoteError):
            await self._bidi.ask("browser.close", timeout_s=QUIT_S)

    def _hear(self, _method: str, params: dict[str, Any]) -> None:
        page = self._pages.get(params["source"].get("context", ""))
        if page is not None:
            page.console.append(f"{params.get('method', params['level'])}: {params['text']}")


async def flip(page: FirefoxPage) -> None:
    """Flip the switch as a visitor does: click it, read, agree. Wait until it is ready."""
    await page.click("role=switch")
    await page.click('role=button[name="Turn on"]')
    await until(page, "['waiting', 'helping'].includes(s.phase)")


async def state(page: FirefoxPage) -> dict[str, Any]:
    """Return the switch's snapshot."""
    return dict(await page.evaluate(STATE))


async def until(page: FirefoxPage, condition: str, timeout_s: float = WAIT_S) -> None:
    """Wait until a JavaScript expression about the switch's snapshot `s` is true.

    A page that is still loading has no switch yet, or one without its script.
    """
    await page.wait_for_function(
        f"() => {{ const s = ({STATE})(); return s !== undefined && ({condition}); }}",
        timeout_s=timeout_s,
    )
