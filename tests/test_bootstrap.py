"""What the set-up decides and prints. Only a bare machine can show whether it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle import browser
from tools import bootstrap


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that is all of PATH, for an ordinary user on a machine with apt."""
    monkeypatch.delenv(browser.OVERRIDE, raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setattr(bootstrap, "PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "on_ubuntu", lambda: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    install(tmp_path / "apt-get")
    return tmp_path


def install(path: Path) -> Path:
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


def test_needs_little_for_the_demo(bare: Path) -> None:
    """The demo asks the system for a browser and nothing else."""
    assert bootstrap.missing_packages("demo") == ["chromium"]
    install(bare / "google-chrome")
    assert bootstrap.missing_packages("demo") == []


def test_asks_for_everything_at_once(bare: Path) -> None:
    """All programs that tests need are in one list, so that one command installs them."""
    assert set(bootstrap.PROGRAMS.values()) | {"chromium"} <= set(
        bootstrap.missing_packages("test")
    )


def test_ordinary_user_is_told_the_command(bare: Path) -> None:
    with pytest.raises(SystemExit, match=r"sudo apt-get install .* nftables chromium"):
        bootstrap.provide_packages(["nftables", "chromium"])


def test_other_systems_are_told_the_packages(bare: Path) -> None:
    (bare / "apt-get").unlink()
    with pytest.raises(SystemExit, match=r"nftables chromium\n.*your system's package manager"):
        bootstrap.provide_packages(["nftables", "chromium"])


def test_failing_step_names_its_command() -> None:
    """A failing step ends the set-up, and names its purpose and its command."""
    with pytest.raises(SystemExit, match=r"Doing it failed \(exit 1\)(.|\n)*false"):
        bootstrap.run(["false"], "Doing it")


def test_wrong_override_stops(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrongly named browser is an error; no other one is installed."""
    monkeypatch.setenv(browser.OVERRIDE, "/nowhere/chrome")
    with pytest.raises(SystemExit, match="/nowhere/chrome, which is not a program"):
        bootstrap.missing_packages("demo")


@pytest.mark.parametrize("name", bootstrap.BROWSERS)
def test_finds_what_the_package_finds(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The set-up and the program agree on which browser is there."""
    monkeypatch.setenv("PATH", str(bare))
    installed = install(bare / name)
    assert bootstrap.find_browser() == str(installed)
    assert browser.find_chromium() == installed
