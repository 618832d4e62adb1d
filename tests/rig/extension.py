"""A real Chromium with the extension in it, and its popup opened as a page of its own."""

from __future__ import annotations

import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from playwright.async_api import BrowserContext, Page, Worker, async_playwright

from passerelle.browser import chromium_arguments, find_chromium, missing_browser_message
from tests.rig.volunteer import until

DEVELOPER: Final = {"extensions": {"ui": {"developer_mode": True}}}
"""Without this preference an unpacked extension is off after it has reloaded itself."""
WAIT_S: Final = 20.0
HOMES: Final = "chrome.runtime.getContexts({contextTypes: ['OFFSCREEN_DOCUMENT']})"


class ExtendedChromium:
    """A headless Chromium with a profile that stays, and one unpacked extension."""

    def __init__(self, profile: Path, extension: Path, *flags: str) -> None:
        """`profile` is made where it is missing; `extension` is the unpacked folder.

        `flags` are added to those that every test's Chromium has.
        """
        self._flags = flags
        self._profile = profile
        self._extension = extension
        self._stack = AsyncExitStack()
        self.context: BrowserContext
        self.identity = ""
        """The extension's name in its addresses."""

    async def __aenter__(self) -> Self:
        path = find_chromium()
        if path is None:
            raise AssertionError(missing_browser_message())
        preferences = self._profile / "Default" / "Preferences"
        if not preferences.exists():
            preferences.parent.mkdir(parents=True)
            preferences.write_text(json.dumps(DEVELOPER))
        playwright = await self._stack.enter_async_context(async_playwright())
        self.context = await playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=path,
            locale="en-US",
            args=[
                *chromium_arguments(headless=True),
                f"--load-extension={self._extension}",
                *self._flags,
            ],
            ignore_default_args=["--disable-extensions"],
        )
        self._stack.push_async_callback(self.context.close)
        self.identity = (await self.worker()).url.split("/")[2]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def worker(self) -> Worker:
        """Return the extension's service worker, as soon as it runs."""
        if workers := self.context.service_workers:
            return workers[-1]
        return await self.context.wait_for_event("serviceworker", timeout=WAIT_S * 1e3)

    async def page(self, name: str) -> Page:
        """Open a page of the extension in a tab; `popup` is what its button opens."""
        page = await self.context.new_page()
        await page.set_viewport_size({"width": 360, "height": 600})
        await page.goto(f"chrome-extension://{self.identity}/{name}.html")
        await page.wait_for_function("() => !document.body.hidden")
        return page

    async def end_worker(self) -> None:
        """End the service worker as the browser does; it is started again when it is needed."""
        page = await self.page("options")
        session = await self.context.new_cdp_session(page)
        await session.send("ServiceWorker.enable")
        await session.send("ServiceWorker.stopAllWorkers")
        await page.close()


def identity(unpacked: Path) -> str:
    """Return the name in its addresses that Chromium gives an extension without a key.

    It is made of the folder's path: the first half of its SHA-256, with the letters a to p as
    digits.
    """
    digits = hashlib.sha256(str(unpacked).encode()).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digits)


async def shown(page: Page, phase: str, *, people: int = 0, timeout_s: float = WAIT_S) -> None:
    """Wait until the switch on a page of the extension shows a phase and so many people."""
    await until(page, f"s.phase === '{phase}' && s.people >= {people}", timeout_s)
