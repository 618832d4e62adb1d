"""What every test shares: the marks that folders give, and the browser."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from passerelle import browser

HERE = Path(__file__).parent
MARKED_FOLDERS = ("e2e", "lab", "packaging")
EARLIER_S = 5

# A deadline per example measures the machine's load, not the code; the test's own timeout stands.
hypothesis.settings.register_profile("passerelle", deadline=None, print_blob=True)
hypothesis.settings.load_profile("passerelle")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by folder, so that `-m 'not e2e'` cannot miss one."""
    for item in items:
        if HERE in item.path.parents:
            folder = item.path.relative_to(HERE).parts[0]
            if folder in MARKED_FOLDERS:
                item.add_marker(folder)
        deadline = item.get_closest_marker("timeout")
        if deadline is not None and isinstance(item, pytest.Function):
            item.obj = _ending(item.obj, deadline.args[0] - EARLIER_S)


def _ending(test: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """Let a coroutine end by itself a little before its time is up.

    What pytest-timeout raises is lost if its signal comes while the loop runs a callback: it ends
    that callback, and the test goes on for ever.
    """
    if not inspect.iscoroutinefunction(test):
        return test

    @functools.wraps(test)
    async def ending(*args: Any, **more: Any) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **more)

    return ending


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what clients remember out of the account's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser to drive; a machine without one fails, it does not skip."""
    path = browser.find_chromium()
    if path is None:
        pytest.fail(browser.missing_browser_message(), pytrace=False)
    return path
