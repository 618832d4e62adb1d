"""The choice of the WebRTC stack that carries links: Chrome's own, or the one in Python.

Both make an offer, connect it, and give the same transport. What the path sees differs: Chrome's
stack sends a browser's packets, and the one in Python can be told from a browser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import TYPE_CHECKING, Literal, Protocol

from passerelle.io.tunnel.transport import Transport
from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.wire.description import Description

if TYPE_CHECKING:
    from passerelle.io.webrtc.channel import ChannelOffer


class ClosingTransport(Transport, Protocol):
    """A transport whose end can be waited for."""

    async def wait_closed(self) -> None:
        """Wait until the connection has ended and its sockets are closed."""


class LinkOffer(Protocol):
    """The client's half of a link, waiting for a volunteer's."""

    steps: list[tuple[str, float]]
    """(name, seconds) of each step done so far."""

    @property
    def description(self) -> Description:
        """What the volunteer needs to know."""

    async def connect(
        self, answer: Description, *, timeout_s: float, known: Container[str] | None = None
    ) -> ClosingTransport:
        """Connect and return the open transport. See `ChannelOffer.connect`."""

    async def close(self) -> None:
        """Close everything. Idempotent."""


class Engine(Protocol):
    """Makes offers."""

    async def prepare(self) -> None:
        """Load what the first offer would wait for. Cancelling leaves it to that offer."""

    async def gather(
        self, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> LinkOffer:
        """Return an offer whose candidates are known. See `ChannelOffer.gather`."""

    async def close(self) -> None:
        """End what all offers share. Idempotent."""


class PythonEngine:
    """Makes offers with Passerelle's own stack.

    That loads aiortc, which takes 15 MB of a process that uses Chrome's.
    """

    async def prepare(self) -> None:
        """See `Engine.prepare`."""
        await asyncio.to_thread(_channel_offer)

    async def gather(
        self, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> LinkOffer:
        """See `Engine.gather`."""
        return await _channel_offer().gather(stun, private=private, media=media)

    async def close(self) -> None:
        """Do nothing: offers share nothing."""


def _channel_offer() -> type[ChannelOffer]:
    """Return what makes offers with our own stack; the first call loads it."""
    from passerelle.io.webrtc.channel import ChannelOffer  # noqa: PLC0415

    return ChannelOffer


def choose(
    engine: Literal["auto", "chrome", "python"], *, call: bool = False
) -> tuple[Engine, str]:
    """Return what makes offers, and why it is not Chrome's where that was to be expected.

    With `call`, links keep to the rates of a video call, and the engine must not be "python".
    The text is empty where nothing is to be told. Raises NoEngine when Chrome's was demanded and
    this machine has it not. Whether it has is tried, which takes some tenths of a second.
    """
    if engine == "python":
        return PythonEngine(), ""
    try:
        return chrome_engine(call=call), ""
    except NoEngine as error:
        if engine == "chrome" or call:
            raise
        return PythonEngine(), str(error)


def chrome_engine(*, call: bool) -> Engine:
    """Return what makes offers with Chrome's stack. Raises NoEngine."""
    from passerelle.io.webrtc.chrome.process import ProcessEngine, probe  # noqa: PLC0415

    probe()
    return ProcessEngine(call=call)
