from __future__ import annotations

import asyncio
import time

import pytest

from passerelle.io.webrtc import silence
from passerelle.io.webrtc.silence import Silence


class Relay:
    """Says something when it is told to, and notes what the watch says of it."""

    def __init__(self) -> None:
        self.heard_at = 0.0
        self.said: list[str] = []
        self.changed = asyncio.Event()

    def watch(self) -> Silence:
        return Silence(lambda: self.heard_at, lambda: self._note("ask"), lambda: self._note("over"))

    def speak(self) -> None:
        self.heard_at = time.monotonic()

    def _note(self, what: str) -> None:
        self.said.append(what)
        self.changed.set()

    async def tell(self) -> str:
        async with asyncio.timeout(5):
            await self.changed.wait()
        self.changed.clear()
        return self.said[-1]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have relays asked after a moment, and given up long after it."""
    monkeypatch.setattr(silence, "ASK_S", 0.05)
    monkeypatch.setattr(silence, "OVER_S", 1.0)


async def test_a_relay_that_falls_silent_is_asked_and_then_given_up() -> None:
    relay = Relay()
    watch = relay.watch()
    relay.speak()
    assert await relay.tell() == "ask"
    assert watch.is_silent
    assert await relay.tell() == "over"
    assert relay.said == ["ask", "over"]


async def test_an_answer_ends_the_silence() -> None:
    relay = Relay()
    watch = relay.watch()
    relay.speak()
    assert await relay.tell() == "ask"
    relay.speak()
    assert not watch.is_silent
    assert await relay.tell() == "ask"
    watch.close()
    watch.close()
    assert relay.said == ["ask", "ask"]


async def test_a_relay_that_waits_for_its_exit_is_not_silent() -> None:
    relay = Relay()
    watch = relay.watch()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * silence.OVER_S):
            await relay.changed.wait()
    assert not watch.is_silent
    watch.close()
