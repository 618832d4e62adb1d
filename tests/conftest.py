"""What every test shares: the marks that folders give, and the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from passerelle import browser

HERE = Path(__file__).parent
MARKED_FOLDERS = ("e2e", "lab")

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
