from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest
from rich.console import Console

from passerelle import serve
from passerelle.core.embed import Choices
from passerelle.demo import run
from passerelle.errors import LocalError
from passerelle.wire.invite import Invite
from tests.program import passerelle

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
READY = "Press Ctrl-C"


@pytest.mark.e2e
async def test_once_shows_the_path_and_ends_well(temporary: Path) -> None:
    """Every step is ticked off, the page arrives, nothing stays behind."""
    async with passerelle(["demo", "--once"], without=SCREENS) as program:
        assert await program.ended() == 0, program.output
        assert program.output.count("✓") == 7, program.output
        for words in ("every byte of it", "client ═══", "rendezvous", "page: first byte"):
            assert words in program.output
        assert not program.descendants()
    assert not list(temporary.glob("passerelle-demo-*"))


@pytest.mark.e2e
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_it_stays_up_until_a_signal(how: signal.Signals, temporary: Path) -> None:
    """The printed curl lines work; a signal ends everything, quietly, with 0."""
    async with passerelle(["demo", "--headless"]) as program:
        await program.until(READY)
        assert list(temporary.glob("passerelle-demo-*"))
        lines = [line.split() for line in program.output.splitlines() if " curl " in f" {line} "]
        assert len(lines) == 2
        for words in lines:
            assert b"the page arrived" in await output_of(words)
        program.process.send_signal(how)
        assert await program.ended() == 0, program.output
        assert "Traceback" not in program.output
        await program.gone()
    assert not list(temporary.glob("passerelle-demo-*"))


@pytest.mark.e2e
async def test_a_signal_in_the_middle_leaves_nothing() -> None:
    """Interrupted before the page arrived: 130, no step that failed, and no browser stays."""
    async with passerelle(["demo", "--headless"]) as program:
        await program.until("The page is open")
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 130, program.output
        assert "Traceback" not in program.output
        assert "✗" not in program.output
        await program.gone()


@pytest.mark.e2e
@pytest.mark.usefixtures("temporary")  # nobody removes the profile of a demo that is killed
async def test_the_browser_ends_even_if_the_demo_is_killed() -> None:
    """The pipe to it closes, and it goes by itself."""
    async with passerelle(["demo", "--headless"]) as program:
        await program.until(READY)
        os.kill(program.process.pid, signal.SIGKILL)
        await program.ended()
        await program.gone()


@pytest.mark.e2e
async def test_what_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step it was at, and how to see more; what had started has ended."""
    monkeypatch.setattr(run, "DEADLINE_S", 0.1)
    demonstration = run.Demo(
        run.DemoSettings(once=True, headless=True), Console(file=io.StringIO())
    )
    with pytest.raises(LocalError, match=r"It was at: [A-Z][a-z ']+\. Run it again"):
        await demonstration.run()
    assert not demonstration.arrived


@pytest.mark.e2e
async def test_a_switch_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence that the switch shows is the reason that the demo gives."""
    right = serve.widget_tag

    def wrong(folder: Path, invite: Invite, choices: Choices) -> str:
        other = Invite(invite.url, bytes(32))
        return right(folder, other, choices)

    monkeypatch.setattr(serve, "widget_tag", wrong)
    demonstration = run.Demo(
        run.DemoSettings(once=True, headless=True), Console(file=io.StringIO())
    )
    with pytest.raises(LocalError, match="not signed by the right key"):
        await demonstration.run()


async def test_without_a_browser_it_says_what_to_install() -> None:
    """One sentence, exit code 1, before anything is started."""
    async with passerelle(["demo", "--once"], PASSERELLE_CHROMIUM="/no/such/browser") as program:
        assert await program.ended() == 1
        assert "PASSERELLE_CHROMIUM names /no/such/browser" in program.output
        assert "✓" not in program.output


async def test_a_browser_that_does_not_start_is_named() -> None:
    """A program that is no browser: the reason and what to try, exit code 1."""
    async with passerelle(["demo", "--once"], PASSERELLE_CHROMIUM="/bin/false") as program:
        assert await program.ended() == 1
        assert "/bin/false does not start" in program.output
        assert "✗" in program.output


async def test_a_taken_port_is_named() -> None:
    """The publisher's port is in use: one sentence, exit code 1."""
    with socket.socket() as taken:
        taken.bind((run.HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with passerelle(["demo", "--once", "--port", port]) as program:
            assert await program.ended() == 1
            assert f"Port {port} on 127.0.0.1 cannot be opened" in program.output


def test_a_screen_is_found_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """X11 or Wayland; an empty variable is no screen."""
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)
    assert not run.has_screen()
    for name in SCREENS:
        with monkeypatch.context() as inner:
            inner.setenv(name, ":0")
            assert run.has_screen()
            inner.setenv(name, "")
            assert not run.has_screen()


async def output_of(words: list[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=DEVNULL)
    found, _ = await process.communicate()
    return found
