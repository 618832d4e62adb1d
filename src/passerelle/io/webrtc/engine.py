"""The choice of the WebRTC stack that carries links: Chrome's own, or the one in Python.

Both make an offer, connect it, and give the same transport. What the path sees differs: Chrome's
stack sends a browser's packets, and the one in Python can be told from a browser.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Literal, Protocol, Self

from passerelle.io.tunnel.transport import Transport
from passerelle.io.webrtc.chrome.call import CallOffer
from passerelle.io.webrtc.chrome.library import NoEngine, load
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.wire.description import Description


class ClosingTransport(Transport, Protocol):
    """A transport whose end can be waited for."""

    async def wait_closed(self) -> None:
        """Wait until the connection has ended and its sockets are closed."""


class LinkOffer(Protocol):
    """The client's half of a link, waiting for a volunteer's."""

    steps: list[tuple[str, float]]
    """(name, seconds) of each step done so far."""

    @classmethod
    async def gather(
        cls, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> Self:
        """Return an offer whose candidates are known. See `ChannelOffer.gather`."""

    @property
    def description(self) -> Description:
        """What the volunteer needs to know."""

    async def connect(
        self, answer: Description, *, timeout_s: float, known: Container[str] | None = None
    ) -> ClosingTransport:
        """Connect and return the open transport. See `ChannelOffer.connect`."""

    async def close(self) -> None:
        """Close everything. Idempotent."""


def python_engine() -> type[LinkOffer]:
    """Return the class that makes offers with Passerelle's own stack.

    That loads aiortc, which takes 15 MB of a process that uses Chrome's.
    """
    from passerelle.io.webrtc.channel import ChannelOffer  # noqa: PLC0415

    return ChannelOffer


def choose(
    engine: Literal["auto", "chrome", "python"], *, call: bool = False
) -> tuple[type[LinkOffer], str]:
    """Return the class that makes offers, and why it is not Chrome's where that was to be expected.

    With `call`, links keep to the rates of a video call, and the engine must not be "python".
    The text is empty where nothing is to be told. Raises NoEngine when Chrome's was demanded and
    this machine has it not.
    """
    if engine == "python":
        return python_engine(), ""
    try:
        load(is_call=call)
    except NoEngine as error:
        if engine == "chrome" or call:
            raise
        return python_engine(), str(error)
    return CallOffer if call else ChromeOffer, ""
