"""Find a Chromium or Chrome on this machine, and say how to start it.

The demo, the tests and the benchmarks use it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

OVERRIDE = "PASSERELLE_CHROMIUM"
"""Environment variable that names the browser to use; with it no other is looked for."""

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

ROOMY_SHM_BYTES = 512 * 1024 * 1024
"""Size of `/dev/shm` below which it is a container's (64 MiB by default), where Chromium's pages
crash."""


def find_chromium() -> Path | None:
    """Return the browser to use, or None.

    If `PASSERELLE_CHROMIUM` is set, it alone counts. Otherwise programs in PATH come first, then a
    Chromium that Playwright installed. A snap is passed over, because its confinement hides the
    profile folder that it is given, and it does not start in a network namespace.
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

    With them the browser sends nothing of its own, so that a capture shows the page's traffic only.
    `profile` is the folder for its user data. Without it Chromium takes the user's own profile,
    unless the caller names another one, as Playwright does.
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
        # Chromium's sandbox refuses to start as root; only the project's own pages are shown.
        arguments.append("--no-sandbox")
    if _shm_is_small():
        arguments.append("--disable-dev-shm-usage")
    return arguments


def missing_browser_message() -> str:
    """Return, for a person, why no browser was found and what to do."""
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
    """Whether `path` is a snap, or a script that asks for one."""
    real = path.resolve()
    if real.name == "snap" or real.is_relative_to("/snap"):
        return True
    with real.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"snap install" in head


def _shm_is_small() -> bool:
    """Whether shared memory is too small for Chromium's pages."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - measured, not written to
    except OSError:
        return False
    return shm.f_frsize * shm.f_blocks < ROOMY_SHM_BYTES
