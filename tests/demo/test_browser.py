from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from passerelle.demo.browser import launch
from passerelle.errors import LocalError

pytestmark = pytest.mark.e2e

PAGE = "data:text/html,<title>Hello</title><body style='background:rgb(1,2,3)'>there"


async def test_it_opens_a_page_and_reads_it() -> None:
    """Navigate, evaluate (promises too), wait, take a picture."""
    async with launch(headless=True) as browser:
        await browser.navigate(PAGE)
        assert await browser.evaluate("document.title") == "Hello"
        assert await browser.evaluate("Promise.resolve([1, {a: 'b'}])") == [1, {"a": "b"}]
        assert await browser.evaluate("undefined") is None
        await browser.evaluate("setTimeout(() => { window.later = 1 }, 10)")
        await browser.until("window.later === 1")
        assert (await browser.screenshot()).startswith(b"\x89PNG")


async def test_what_goes_wrong_in_the_page_is_told() -> None:
    """A script that throws and a page that is not there are errors for a person."""
    async with launch(headless=True) as browser:
        with pytest.raises(LocalError, match="no such thing"):
            await browser.evaluate("(() => { throw new Error('no such thing') })()")
        with pytest.raises(LocalError, match="could not open"):
            await browser.navigate("http://127.0.0.1:1/")
        with pytest.raises(LocalError, match="refused"):
            await browser._page("No.such")


async def test_a_closed_browser_is_noticed() -> None:
    """Whoever waits for it returns, and later commands say why they fail."""
    async with launch(headless=True) as browser:
        await browser._pipe.call("Browser.close", {})
        await browser.wait_closed()
        with pytest.raises(LocalError, match="was closed"):
            await browser.evaluate("1")


async def test_cancelling_ends_it_and_removes_its_profile(temporary: Path) -> None:
    """Nothing is left of a browser whose user was cancelled."""
    started = asyncio.Event()
    pids: list[int] = []

    async def use() -> None:
        async with launch(headless=True) as browser:
            pids.append(browser._process.pid)
            started.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(use())
        await started.wait()
        assert list(temporary.glob("passerelle-demo-*"))
        task.cancel()
    assert not Path(f"/proc/{pids[0]}").exists()
    assert not list(temporary.glob("passerelle-demo-*"))
