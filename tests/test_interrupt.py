from __future__ import annotations

import asyncio
import os
import signal

import pytest

from passerelle import interrupt
from passerelle.interrupt import Interrupted


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_in_good_order(how: signal.Signals) -> None:
    """The clean-up of the work runs to its end, awaits included, before `run` returns."""
    left: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), how)
            await asyncio.sleep(20)
        finally:
            await asyncio.sleep(0)
            left.append("in good order")

    before = signal.getsignal(how)
    if before is signal.SIG_IGN:
        # The tests themselves may run under nohup.
        signal.signal(how, signal.SIG_DFL)
    try:
        with pytest.raises(Interrupted):
            interrupt.run(work())
    finally:
        signal.signal(how, before)
    assert left == ["in good order"]


def test_results_and_errors_pass_through() -> None:
    """Without a signal `run` does what asyncio.run does."""

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def fail() -> None:
        raise ValueError("no")

    async def give_up() -> None:
        raise asyncio.CancelledError

    assert interrupt.run(work()) == 7
    with pytest.raises(ValueError, match="no"):
        interrupt.run(fail())
    with pytest.raises(asyncio.CancelledError):
        interrupt.run(give_up())


def test_the_old_handlers_are_back_afterwards() -> None:
    """After `run` the handlers of the program are in force again."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def work() -> None: ...

    interrupt.run(work())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_ignored_hangup_stays_ignored() -> None:
    """A program started with nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        async def work() -> str:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            return "went on"

        assert interrupt.run(work()) == "went on"
    finally:
        signal.signal(signal.SIGHUP, before)
