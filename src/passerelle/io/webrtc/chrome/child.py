"""The engine's process: it makes links for the client that has started it, and does nothing else.

`python -m passerelle.io.webrtc.chrome.child`, with a socket as its standard input
(`io.webrtc.chrome.pipe`). It has none of the client's secrets: what passes are ICE candidates and
the ciphertext of links. It ends with the client, whatever becomes of that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

from passerelle import limits
from passerelle.core.tunnel.estimator import INITIAL_RTT_S
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Windows
from passerelle.io.webrtc.chrome import orders
from passerelle.io.webrtc.chrome.answer import ChromeAnswer
from passerelle.io.webrtc.chrome.call import CallOffer
from passerelle.io.webrtc.chrome.library import IGNORED_SIGNALS, PROBE, NoEngine, load
from passerelle.io.webrtc.chrome.offer import ChromeOffer, ChromeTransport
from passerelle.io.webrtc.chrome.pipe import Pipe

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
_QUEUE_S = 0.01
"""Time between two looks at what an answered link has not sent. In it, about half of
`limits.RELAY_LOW_WATER_BYTES` leaves at 100 Mbit/s."""
_STEP_BYTES = 64 * limits.KIB
"""What has left is told in steps of this size."""
_LINGER_S = 5.0
"""Longest time in which a client gets what its exit sent before that one closed."""
_LOOK_S = 0.5
"""Time between two looks whether a relay that was told to be silent still is."""


class Host:
    """Makes the links of one client."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        """Set once the client is gone."""
        self.pipe: Pipe[orders.FromClient] = Pipe(
            orders.FromClient,  # type: ignore[arg-type]
            ordered=self._take,
            message=self._send,
            ended=self.ended.set,
        )
        self._links: dict[int, HostedLink] = {}

    def _take(self, order: orders.FromClient) -> None:
        if isinstance(order, orders.Gather | orders.Accept):
            self._links[order.link] = HostedLink(order, self.pipe, self._forget)
        elif (link := self._links.get(order.link)) is not None:
            link.take(order)

    def _send(self, number: int, message: bytes) -> None:
        if (link := self._links.get(number)) is not None:
            link.send(message)

    def _forget(self, number: int) -> None:
        self._links.pop(number, None)


class HostedLink:
    """One link, from the order to make an offer to its end. It is the transport's `Receiver`."""

    def __init__(
        self,
        order: orders.Gather | orders.Accept,
        pipe: Pipe[orders.FromClient],
        forget: Callable[[int], None],
    ) -> None:
        """`forget` is called with the link's number when it is over."""
        self._number = order.link
        self._pipe = pipe
        self._forget = forget
        self._offer: ChromeOffer | ChromeAnswer | None = None
        self._transport: ChromeTransport | None = None
        self._rtt_s = INITIAL_RTT_S
        self._told: Windows | None = None
        self._look: asyncio.TimerHandle | None = None
        self._is_answer = isinstance(order, orders.Accept)
        self._taken_bytes = 0
        """Bytes of messages that the volunteer's program has handed over for an answered link."""
        self._sent_bytes = 0
        """What it was told last of those that have left."""
        self._tasks = TaskSet("link")
        self._tasks.spawn(self._gather(order), "gather")

    def take(self, order: orders.FromClient) -> None:
        """Do what the client orders."""
        match order:
            case orders.Gather() | orders.Accept():
                pass  # its number is in use: no client does this
            case orders.Open():
                self._tasks.spawn(self._open(order), "open")
            case orders.Connect():
                self._tasks.spawn(self._connect(order), "connect")
            case orders.Start():
                # An answered link has started by itself.
                if self._transport is not None and not self._is_answer:
                    self._transport.start(self)
            case orders.RoundTrip(rtt_s=rtt_s):
                self._rtt_s = rtt_s
                self.windows_changed()
            case orders.Text(text=text):
                if self._transport is not None:
                    self._transport.send_control(text)
            case orders.End():
                self._tasks.spawn(self._end(), "end")
            case orders.Drop():
                self._over()
                self._tasks.spawn(self._drop(), "drop")
            case _:
                assert_never(order)

    def send(self, message: bytes) -> None:
        """Send one of the link's messages."""
        if self._transport is not None:
            self._transport.send(message)
            self._taken_bytes += len(message)
            if self._is_answer and self._look is None:
                self._look = asyncio.get_running_loop().call_later(_QUEUE_S, self._count_sent)

    # --- Receiver -------------------------------------------------------------------------------

    def message_received(self, message: bytes) -> None:
        """Hand one of the link's messages to the client."""
        self._pipe.send(self._number, message)

    def control_received(self, text: str) -> None:
        """Hand what the relay says to the client, which refuses what is too long."""
        most = limits.SIGNAL_MESSAGE_BYTES + 1
        self._pipe.order(orders.Text(self._number, text[:most]))

    def windows_changed(self) -> None:
        """Tell the client the windows, where they are others."""
        told = self._windows()
        if told is not None:
            self._pipe.order(told)

    def transport_lost(self, error: LinkLost) -> None:
        """Tell the client that the link is lost."""
        self._over()
        self._pipe.order(orders.Lost(self._number, error.code, error.reason))
        self._tasks.spawn(self._end(), "end")

    # --- inside ---------------------------------------------------------------------------------

    def _silence(self, is_silent: bool) -> None:
        self._pipe.order(orders.Silence(self._number, is_silent))

    def _count_sent(self) -> None:
        """Tell how much has left, in steps, and look again while something waits."""
        assert self._transport is not None  # messages were sent
        self._look = None
        queued = self._transport.queued_bytes
        left = self._taken_bytes - queued
        if left - self._sent_bytes >= _STEP_BYTES or (not queued and left > self._sent_bytes):
            self._sent_bytes = left
            self._pipe.order(orders.Sent(self._number, left))
        if queued:
            self._look = asyncio.get_running_loop().call_later(_QUEUE_S, self._count_sent)

    def _windows(self) -> orders.Told | None:
        """Return the windows if they are others than those told last."""
        if self._is_answer:
            return None  # a volunteer copies, and the far ends decide how much
        windows = self._transport.windows(self._rtt_s) if self._transport is not None else None
        if windows is None:
            return None
        if windows.is_silent:
            # Nothing calls when it is heard again.
            self._over()
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(_LOOK_S, self.windows_changed)
        if windows == self._told:
            return None
        self._told = windows
        return orders.Told(self._number, windows.send, windows.receive, windows.is_silent)

    async def _gather(self, order: orders.Gather | orders.Accept) -> None:
        try:
            if isinstance(order, orders.Accept):
                self._offer = await ChromeAnswer.make(
                    order.offer, self, self._silence, order.stun, private=order.private
                )
            else:
                kind = CallOffer if order.call else ChromeOffer
                self._offer = await kind.gather(
                    order.stun, private=order.private, media=order.media
                )
        except LinkLost as error:
            self._fail(error.code, error.reason)
            return
        except Exception:
            self._fail(LinkCode.INTERNAL, "the engine made no offer")
            raise
        self._pipe.order(orders.Gathered(self._number, self._offer.description))

    async def _connect(self, order: orders.Connect) -> None:
        assert self._offer is not None  # the client has its description
        await self._opened(self._offer.connect(order.answer, timeout_s=order.timeout_s))

    async def _open(self, order: orders.Open) -> None:
        assert isinstance(self._offer, ChromeAnswer)  # the volunteer has its description
        await self._opened(self._offer.opened(timeout_s=order.timeout_s))

    async def _opened(self, opening: Coroutine[Any, Any, ChromeTransport]) -> None:
        assert self._offer is not None  # `opening` is of it
        try:
            transport = await opening
        except LinkLost as error:
            self._fail(error.code, error.reason)
            return
        except Exception:
            self._fail(LinkCode.INTERNAL, "the engine failed")
            raise
        self._transport = transport
        self._pipe.order(orders.Connected(self._number, tuple(self._offer.steps), self._windows()))

    def _fail(self, code: LinkCode, reason: str) -> None:
        self._pipe.order(orders.Failed(self._number, code, reason))

    async def _end(self) -> None:
        """Close as a transport does, and tell the client when that is done."""
        if self._transport is not None:
            if self._is_answer:
                await self._hand_over(self._transport)
            self._transport.close(LinkCode.NORMAL)
            await self._transport.wait_closed()
        self._pipe.order(orders.Gone(self._number))

    async def _hand_over(self, transport: ChromeTransport) -> None:
        """Wait, not for long, until the client has what its exit has sent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while not transport.is_done and not transport.is_closed:  # noqa: ASYNC110 (no event)
                    await asyncio.sleep(_QUEUE_S)

    async def _drop(self) -> None:
        await self._tasks.close()
        if self._offer is not None:
            await self._offer.close()
        self._forget(self._number)

    def _over(self) -> None:
        if self._look is not None:
            self._look.cancel()


async def serve(end: socket.socket) -> None:
    """Make links until the client at the other `end` is gone."""
    host = Host()
    await asyncio.get_running_loop().create_unix_connection(lambda: host.pipe, sock=end)
    await host.ended.wait()
    os._exit(0)  # nothing is left to do, and the engine's threads need not agree


def confine() -> None:
    """Give up what this process does not need, so that whoever takes it over has less.

    It cannot gain rights, makes no file longer, leaves no dump of its memory, and ends with its
    parent. It is no sandbox: files can still be read, changed in place and deleted.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Serve the client at standard input. With `PROBE`, only say whether the engine can be had."""
    if PROBE in sys.argv[1:]:
        try:
            load()
        except NoEngine as error:
            sys.exit(str(error))
        return
    end = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    confine()
    for each in IGNORED_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    asyncio.run(serve(end))


if __name__ == "__main__":
    main()
