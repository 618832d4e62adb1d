"""Find a Chromium or Chrome on this machine and say how to start it.

Shared by the demo, the tests and the benchmarks.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

OVERRIDE = "PASSERELLE_CHROMIUM"
"""Environment variable that names the browser to use, before any other is looked for."""

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

ROOMY_SHM_BYTES = 512 * 1024 * 1024
"""Below this `/dev/shm` is a container's (64 MiB by default), and Chromium's pages crash in it."""


def find_chromium() -> Path | None:
    """Return the browser to use, or None.

    `PASSERELLE_CHROMIUM` alone counts when it is set; then programs in PATH, then a Chromium that
    Playwright installed. A snap is passed over: its confinement hides the profile folder that it is
    given, and it does not start in a network namespace.
    """
    if named := os.environ.get(OVERRIDE):
        found = shutil.which(named)
        return Path(found) if found else None
    for name in NAMES:
        if (found := shutil.which(name)) and not _is_snap(Path(found)):
            return Path(found)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright")).expanduser()
    return max(cache.glob("chromium-*/chrome-linux*/chrome"), default=None)


def chromium_arguments(*, headless: bool, profile: Path | None = None) -> list[str]:
    """Return the command-line flags for a quiet Chromium with WebRTC.

    Nothing of its own goes over the network, so that what a capture shows is the page's traffic.
    `profile` is the folder for its user data; without it the user's own profile is used, so give
    one unless the caller (Playwright, for one) does.
    """
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-sync",
        "--no-default-browser-check",
        "--no-first-run",
    ]
    if headless:
        arguments.append("--headless=new")
    if profile is not None:
        arguments.append(f"--user-data-dir={profile}")
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to start as root; the pages shown here are our own.
        arguments.append("--no-sandbox")
    if _shm_is_small():
        arguments.append("--disable-dev-shm-usage")
    return arguments


def missing_browser_message() -> str:
    """Say, for a person, why no browser was found and what to do."""
    if named := os.environ.get(OVERRIDE):
        return (
            f"{OVERRIDE} names {named}, which is not a program here. "
            "Give it the path of a Chromium or Chrome, or unset it to have one found."
        )
    return (
        "No Chromium or Chrome was found on this machine, and a volunteer is a browser. "
        "Install one (Debian: sudo apt-get install chromium; Ubuntu: Google Chrome's .deb), "
        f"or name the one you have: {OVERRIDE}=/path/to/chrome."
    )


def _is_snap(path: Path) -> bool:
    """Tell whether `path` is a snap, or a script that asks for one."""
    real = path.resolve()
    if real.name == "snap" or real.is_relative_to("/snap"):
        return True
    with real.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"snap install" in head


def _shm_is_small() -> bool:
    """Tell whether shared memory is too small for Chromium's pages."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - measured, not written to
    except OSError:
        return False
    return shm.f_frsize * shm.f_blocks < ROOMY_SHM_BYTES
