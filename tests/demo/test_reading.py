"""`passerelle demo --reader` as somebody sees it who tries it."""

from __future__ import annotations

import signal

import pytest

from tests.program import passerelle

pytestmark = pytest.mark.e2e

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


async def test_once_reads_the_newspaper_and_ends_well() -> None:
    """Every step is ticked off, the path is drawn, and no browser stays."""
    async with passerelle(["demo", "--reader", "--once"], without=SCREENS) as program:
        assert await program.ended() == 0, program.output
        assert program.output.count("✓") == 6, program.output
        assert "browser ══════ browser" in program.output
        assert not program.descendants()


@pytest.mark.parametrize(
    ("after", "code"), [("The page is open", 130), ("Press Ctrl-C to stop everything", 0)]
)
async def test_a_signal_ends_it_quietly(after: str, code: int) -> None:
    """Before the newspaper came that is a failure, and afterwards it is not."""
    async with passerelle(["demo", "--reader", "--headless"]) as program:
        await program.until(after)
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == code, program.output
        assert "Traceback" not in program.output
        assert "✗" not in program.output
        await program.gone()
