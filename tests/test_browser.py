from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from passerelle import browser

SNAP_STUB = "#!/bin/sh\necho requires the chromium snap: snap install chromium\nexit 1\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that is all of PATH, on a machine where nothing else is installed."""
    monkeypatch.delenv(browser.OVERRIDE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setattr(browser, "NAMES", [n for n in browser.NAMES if not n.startswith("/")])
    return tmp_path


def install(path: Path, content: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def test_finds_nothing_on_a_bare_machine(bare: Path) -> None:
    """Nothing is found, and the message says what to install."""
    assert browser.find_chromium() is None
    assert "apt-get install chromium" in browser.missing_browser_message()


@pytest.mark.parametrize("name", ["chromium", "google-chrome", "google-chrome-stable"])
def test_finds_a_browser_in_path(bare: Path, name: str) -> None:
    assert browser.find_chromium() is None
    installed = install(bare / name)
    assert browser.find_chromium() == installed


def test_passes_over_the_snap_stub(bare: Path) -> None:
    """Ubuntu's chromium-browser starts nothing, so Chrome beside it is found."""
    install(bare / "chromium-browser", SNAP_STUB)
    assert browser.find_chromium() is None
    chrome = install(bare / "google-chrome")
    assert browser.find_chromium() == chrome


def test_passes_over_a_snap(bare: Path) -> None:
    """A snap's command is a link to the snap program itself."""
    (bare / "chromium").symlink_to(install(bare / "lib" / "snap"))
    assert browser.find_chromium() is None


def test_finds_the_newest_of_playwright(bare: Path) -> None:
    install(bare / "playwright/chromium-1190/chrome-linux/chrome")
    newest = install(bare / "playwright/chromium-1200/chrome-linux64/chrome")
    assert browser.find_chromium() == newest


def test_override_comes_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(bare / "chromium")
    own = install(bare / "own" / "browser")
    monkeypatch.setenv(browser.OVERRIDE, str(own))
    assert browser.find_chromium() == own


def test_wrong_override_is_not_papered_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named browser that does not exist is an error, even if another is installed."""
    install(bare / "chromium")
    monkeypatch.setenv(browser.OVERRIDE, "/nowhere/chrome")
    assert browser.find_chromium() is None
    assert "/nowhere/chrome" in browser.missing_browser_message()


@pytest.mark.parametrize(("user", "sandboxed"), [(0, False), (1000, True)])
def test_sandbox_is_given_up_only_as_root(
    monkeypatch: pytest.MonkeyPatch, user: int, sandboxed: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert ("--no-sandbox" not in browser.chromium_arguments(headless=True)) == sandboxed


@pytest.mark.e2e
def test_the_arguments_start_a_real_browser(chromium: Path, tmp_path: Path) -> None:
    """The installed browser, started with these flags, prints a page's text."""
    page = tmp_path / "page.html"
    page.write_text("<title>t</title><p id=a></p><script>a.append('drawn ' + 6 * 7)</script>")
    flags = browser.chromium_arguments(headless=True, profile=tmp_path / "profile")
    done = subprocess.run(
        [chromium, *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "drawn 42" in done.stdout
