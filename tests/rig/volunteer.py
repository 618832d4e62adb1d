"""A volunteer: a real Chromium on a publisher's page, whose switch is flipped by a click."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser, Page, async_playwright

from passerelle.browser import chromium_arguments, find_chromium, missing_browser_message
from tests.rig.publisher import Publisher as Publisher

STATE = "() => document.querySelector('passerelle-switch')?.snapshot"


class Chromium:
    """A headless Chromium for any number of pages."""

    def __init__(self, *flags: str) -> None:
        """`flags` are added to those that every test's Chromium has."""
        self._flags = flags
        self._stack = AsyncExitStack()
        self.browser: Browser

    async def __aenter__(self) -> Self:
        path = find_chromium()
        if path is None:
            raise AssertionError(missing_browser_message())
        playwright = await self._stack.enter_async_context(async_playwright())
        self.browser = await playwright.chromium.launch(
            executable_path=path, args=[*chromium_arguments(headless=True), *self._flags]
        )
        self._stack.push_async_callback(self.browser.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def open(self, url: str) -> Page:
        """Return a new page at `url` in its own context, and so in its own process."""
        context = await self.browser.new_context()
        page = await context.new_page()
        await page.goto(url)
        return page


async def flip(page: Page) -> None:
    """Flip the switch as a visitor does: click it, read, agree. Wait until it is ready.

    A client that already waits may be helped by then, so "helping" counts as ready.
    """
    await page.get_by_role("switch").click()
    await page.get_by_role("button", name="Turn on").click()
    await until(page, "['waiting', 'helping'].includes(s.phase)")


async def state(page: Page) -> dict[str, Any]:
    """Return the switch's snapshot."""
    return dict(await page.evaluate(STATE))


async def until(page: Page, condition: str, timeout_s: float = 30.0) -> None:
    """Wait until a JavaScript expression about the switch's snapshot `s` is true.

    A page that is still loading has no switch yet, or one without its script.
    """
    await page.wait_for_function(
        f"() => {{ const s = ({STATE})(); return s !== undefined && ({condition}); }}",
        timeout=timeout_s * 1e3,
    )


async def first_of(pages: Sequence[Page], condition: str) -> Page:
    """Return the first page at which `condition` becomes true; see `until`."""
    waits = [asyncio.ensure_future(until(page, condition)) for page in pages]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in done:
            await wait
        return next(page for page, wait in zip(pages, waits, strict=True) if wait in done)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
