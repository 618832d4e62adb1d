"""Drive a browser inside a namespace that has the extension, and the extension's pages in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.lab.browser import IN_PROFILE, LabBrowser
from tests.lab.cast import SNAPSHOT, START_S, LabNetwork
from tests.lab.firefox import LabFirefox
from tests.rig.extension import identity

IDENTITY: Final = "6f6b1d0e-7c3c-4a39-9d0b-6a2f9a5d1c11"
"""The name of Firefox's extension in its addresses, which Firefox would else draw."""
UUIDS: Final = {
    "extensions.webextensions.uuids": json.dumps({"switch@passerelle.example": IDENTITY})
}


class ExtendedBrowser:
    """A volunteer's browser with the extension, whose popup is opened in a tab."""

    def __init__(self, browser: LabBrowser, base: str) -> None:
        self.browser = browser
        self._base = base

    def open(self, name: str = "popup") -> None:
        """Open a page of the extension, and wait until it is shown."""
        self.browser.goto(f"{self._base}/{name}.html", timeout_s=START_S)
        self.browser.wait("!!document.body && !document.body.hidden", timeout_s=START_S)

    def shut(self) -> None:
        """Close that page; what the extension does goes on."""
        self.browser.shut()

    def until(self, *phases: str, timeout_s: float = START_S) -> None:
        """Wait until the popup shows one of these phases."""
        self.browser.wait(f"{list(phases)}.includes({SNAPSHOT}?.phase)", timeout_s=timeout_s)


@contextmanager
def extended(
    network: LabNetwork, kind: type[LabBrowser], folder: Path, profile: Path
) -> Iterator[ExtendedBrowser]:
    """Run the volunteer's browser with the extension of `folder` and no page open.

    A Chromium keeps its `profile` for the next run; Firefox forgets all, extension included. A
    failure inside shows what all programs printed.
    """
    host = network.hosts["volunteer"]
    try:
        if issubclass(kind, LabFirefox):
            fox = kind(host, extension=folder / "firefox", preferences=UUIDS)
            with fox as browser:
                yield ExtendedBrowser(browser, f"moz-extension://{IDENTITY}")
            return
        unpacked = folder / "chromium"
        flags = (
            f"--load-extension={unpacked}",
            f"--user-data-dir={profile}",
            f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {network.known_addresses}",
        )
        with kind(host, IN_PROFILE, *flags) as browser:
            yield ExtendedBrowser(browser, f"chrome-extension://{identity(unpacked)}")
    except Exception as error:
        error.add_note(network.told())
        raise
