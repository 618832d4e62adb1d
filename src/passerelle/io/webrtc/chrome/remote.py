"""The client's ends of what its engine's process holds: an offer, and the transport it leads to.

They do what `ChromeOffer` and `ChromeTransport` do, which are in that process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container
from typing import Protocol, TypeVar

import msgspec

from passerelle import limits
from passerelle.core.address.candidates import vet
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.chrome import orders
from passerelle.io.webrtc.pathtransport import PathTransport
from passerelle.wire.description import Description

_SLACK_S = 5.0
"""How much longer than its own limits the process may take to answer. It may be busy."""
_CLOSE_S = 2.0 + _SLACK_S
"""Longest time in which a transport sends what is queued."""

T = TypeVar("T")


class Process(Protocol):
    """The process, as offers and transports use it."""

    def order(self, order: msgspec.Struct) -> None:
        """Say something to it."""

    def send(self, link: int, message: bytes) -> None:
        """Hand it a link's message."""

    def forget(self, link: int) -> None:
        """Take nothing more for the link."""


class RemoteOffer:
    """One half of a link: a client's, which offers, or a volunteer's, which answers.

    See `ChromeOffer` and `ChromeAnswer`.
    """

    def __init__(self, process: Process, number: int, *, private: bool) -> None:
        """`number` is the link's. `gather` comes first."""
        self.steps: list[tuple[str, float]] = []
        """(name, seconds) of each step done so far."""
        self.gone = asyncio.Event()
        """Set when the link's sockets are closed."""
        self._process = process
        self._number = number
        self._private = private
        self._answer: asyncio.Future[orders.Gathered | orders.Connected] | None = None
        """What the process answers to the last order."""
        self._description: Description | None = None
        self._transport: RemoteTransport | None = None
        self._error: LinkLost | None = None
        """Why the link is over."""
        self._closed = False

    async def gather(
        self, stun: tuple[str, ...], *, media: bool, call: bool, timeout_s: float
    ) -> None:
        """Have the offer made. Raises LinkLost. On any failure the offer is closed."""
        order = orders.Gather(self._number, stun, self._private, media, call)
        gathered = await self._ask(order, orders.Gathered, timeout_s)
        self._description = gathered.description

    async def accept(self, offer: Description, stun: tuple[str, ...], *, timeout_s: float) -> None:
        """Have `offer`, which is vetted, answered. Raises LinkLost, and the answer is closed."""
        order = orders.Accept(self._number, offer, stun, self._private)
        self._transport = RemoteTransport(self, self._process, self._number, None)
        gathered = await self._ask(order, orders.Gathered, timeout_s)
        self._description = gathered.description

    @property
    def description(self) -> Description:
        """What the volunteer needs to know."""
        assert self._description is not None  # `gather` has set it
        return self._description

    async def connect(
        self, answer: Description, *, timeout_s: float, known: Container[str] | None = None
    ) -> RemoteTransport:
        """Do as `ChromeOffer.connect` does."""
        vetted = vet(answer, private=self._private, known=known)
        connected = await self._open(orders.Connect(self._number, vetted, timeout_s), timeout_s)
        windows = connected.windows
        self._transport = RemoteTransport(self, self._process, self._number, windows)
        if self._error is not None:
            self._transport.path_lost(self._error)
        return self._transport

    async def opened(self, *, timeout_s: float) -> RemoteTransport:
        """Do as `ChromeAnswer.opened` does, after `accept`."""
        await self._open(orders.Open(self._number, timeout_s), timeout_s)
        assert self._transport is not None  # `accept` has set it
        return self._transport

    async def _open(self, order: msgspec.Struct, timeout_s: float) -> orders.Connected:
        connected = await self._ask(order, orders.Connected, timeout_s + _SLACK_S)
        self.steps.extend(connected.steps)
        return connected

    async def close(self) -> None:
        """Close everything. Idempotent."""
        if not self._closed:
            self._closed = True
            self._process.order(orders.Drop(self._number))
            self._process.forget(self._number)
            self.gone.set()

    async def _ask(self, order: msgspec.Struct, kind: type[T], timeout_s: float) -> T:
        try:
            if self._error is not None:
                raise self._error
            self._answer = asyncio.get_running_loop().create_future()
            self._process.order(order)
            async with asyncio.timeout(timeout_s):
                answer = await self._answer
            if not isinstance(answer, kind):
                raise LinkLost(LinkCode.INTERNAL, "the engine's process answered something else")
        except TimeoutError:
            await self.close()
            raise LinkLost(LinkCode.TIMEOUT, "the engine's process did not answer") from None
        except BaseException:
            await self.close()
            raise
        return answer

    # --- what the process says ------------------------------------------------------------------

    def take(self, report: orders.FromProcess) -> None:
        """Take what the process says of this link."""
        if isinstance(report, orders.Gathered | orders.Connected):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(report)
        elif isinstance(report, orders.Failed | orders.Lost):
            self.lose(LinkLost(report.code, report.reason))
        elif isinstance(report, orders.Gone):
            self.gone.set()
        elif self._transport is not None:
            self._transport.take(report)

    def message(self, message: bytes) -> None:
        """Take one of the link's messages."""
        if self._transport is not None:
            self._transport.message(message)

    def lose(self, error: LinkLost) -> None:
        """Learn that the link is over."""
        self._error = self._error or error
        self.gone.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            # asyncio logs an exception that nobody retrieves, and `_ask` may have been cancelled.
            self._answer.exception()
        if self._transport is not None:
            self._transport.path_lost(error)


class RemoteTransport(PathTransport):
    """A link transport whose sockets the process has. See `ChromeTransport`."""

    def __init__(
        self, offer: RemoteOffer, process: Process, number: int, windows: orders.Told | None
    ) -> None:
        """`offer` has made this transport. `windows` is None for a link that does not know them."""
        super().__init__(offer, "chrome")
        self._offer = offer
        self._process = process
        self._number = number
        self._windows = _windows(windows)
        self._rtt_s = 0.0
        """What the process was told."""
        self._handed_bytes = 0
        self._sent_bytes = 0
        self.sent: Callable[[], None] | None = None
        """Called when less waits than before. For links that were answered."""
        self.silence: Callable[[bool], None] | None = None
        """Called with whether the client has fallen silent. For links that were answered."""
        self._early: list[bytes | str] = []
        """What came of an answered link before `start`."""
        self._early_bytes = 0
        self._allowance = Allowance(self._end)

    def start(self, receiver: Receiver) -> None:
        """Deliver to `receiver` from now on."""
        self._receiver = receiver
        self._process.order(orders.Start(self._number))
        self._started(is_open=True)
        early, self._early = self._early, []
        for message in early:
            if isinstance(message, str):
                receiver.control_received(message)
            else:
                self.message(message)

    def send(self, message: bytes) -> None:
        """Queue one binary message."""
        if not self._closed:
            self._allowance.earn(len(message))
            self._handed_bytes += len(message)
            self._process.send(self._number, message)

    @property
    def queued_bytes(self) -> int:
        """Bytes that an answered link has not sent yet, as far as the process has told."""
        return self._handed_bytes - self._sent_bytes

    def send_control(self, text: str) -> None:
        """Queue one text message."""
        if not self._closed:
            self._process.order(orders.Text(self._number, text))

    def windows(self, rtt_s: float) -> Windows | None:
        """Return the windows that the process told last. See `Transport.windows`."""
        if self._windows is not None and rtt_s != self._rtt_s and not self._closed:
            self._rtt_s = rtt_s
            self._process.order(orders.RoundTrip(self._number, rtt_s))
        return self._windows

    def take(self, report: orders.Text | orders.Told | orders.Sent | orders.Silence) -> None:
        """Take what the process says of this link."""
        if self._receiver is None and isinstance(report, orders.Text):
            self._keep(report.text)
        if self._receiver is None or self._closed:
            return
        if isinstance(report, orders.Sent):
            self._sent_bytes = min(self._handed_bytes, report.bytes)
            if self.sent is not None:
                self.sent()
            return
        if isinstance(report, orders.Silence):
            if self.silence is not None:
                self.silence(report.is_silent)
            return
        start_s = self._allowance.start()
        if isinstance(report, orders.Told):
            self._windows = _windows(report)
            self._receiver.windows_changed()
        else:
            self._receiver.control_received(report.text)
        self._allowance.charge(start_s)

    def message(self, message: bytes) -> None:
        """Hand one of the link's messages to the receiver."""
        if self._receiver is None:
            self._keep(message)
        if self._receiver is None or self._closed:
            return
        start_s = self._allowance.start()
        self._allowance.earn(len(message))
        if len(message) > limits.LINK_MESSAGE_BYTES:
            self._end(LinkLost(LinkCode.LIMIT, "a message longer than links carry"))
        else:
            self._receiver.message_received(message)
        self._allowance.charge(start_s)

    def _keep(self, message: bytes | str) -> None:
        """Keep what came before `start`, as much as may wait."""
        self._early_bytes += len(message) + limits.MESSAGE_COST_BYTES
        if self._early_bytes > limits.RELAY_WAITING_BYTES:
            self._early.clear()
            self.path_lost(LinkLost(LinkCode.LIMIT, "more came at first than can be held"))
        else:
            self._early.append(message)

    async def _flush(self, error: LinkLost | None) -> None:
        if error is None:
            self._process.order(orders.End(self._number))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._offer.gone.wait()


def _windows(told: orders.Told | None) -> Windows | None:
    return None if told is None else Windows(told.send, told.receive, told.is_silent)
