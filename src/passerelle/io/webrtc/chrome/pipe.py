"""The socket between a client and its engine's process, as frames.

| bytes | field |
|---|---|
| 4 | length of the body, big-endian |
| 4 | number of a link; 0: the body is an order (`io.webrtc.chrome.orders`) as MessagePack |
| … | one message of that link, or the order |

What is said in one turn of the event loop leaves in one piece.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from struct import Struct
from typing import Generic, TypeVar, cast

import msgspec

from passerelle import limits
from passerelle.wire.description import MESSAGE_NUMBER_BYTES

_HEAD = Struct(">II")
_READ_BYTES = 256 * limits.KIB
_LONGEST_MESSAGE_BYTES = limits.LINK_MESSAGE_BYTES + MESSAGE_NUMBER_BYTES
_SOCKET_BYTES = limits.MIB
"""What the kernel is asked to hold each way; it gives what it is allowed to."""

_encoder = msgspec.msgpack.Encoder()
Order = TypeVar("Order")


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new socket."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return ends


class Pipe(asyncio.BufferedProtocol, Generic[Order]):
    """One end of the socket. `Order` is the type of the orders that come from the other one.

    A frame that is malformed or too long, and one that comes while `limits.ENGINE_QUEUE_BYTES` wait
    for the other end, end the pipe.
    """

    def __init__(
        self,
        kind: type[Order],
        *,
        ordered: Callable[[Order], None],
        message: Callable[[int, bytes], None],
        ended: Callable[[], None],
    ) -> None:
        """`kind` is the type `Order`. `ordered` takes an order, and `message` a link's message.

        `ended` is called once, when nothing more will come or leave.
        """
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._ordered = ordered
        self._message = message
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._filled = 0
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._over = False

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait until the other end takes them."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return waiting + self._out_bytes

    def order(self, order: msgspec.Struct) -> None:
        """Queue an order."""
        self.send(0, _encoder.encode(order))

    def send(self, link: int, body: bytes) -> None:
        """Queue a message of a link."""
        if self._over:
            return
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out += (_HEAD.pack(len(body), link), body)
        self._out_bytes += _HEAD.size + len(body)

    def close(self) -> None:
        """Send and deliver nothing more, what is queued included. Idempotent."""
        if not self._over:
            self._over = True
            self._out.clear()
            if self._transport is not None:
                self._transport.abort()
            self._ended()

    def _flush(self) -> None:
        if self._over or self._transport is None:
            return
        if self.queued_bytes > limits.ENGINE_QUEUE_BYTES:
            self.close()
            return
        parts, self._out = self._out, []
        self._out_bytes = 0
        self._transport.writelines(parts)

    # --- asyncio.BufferedProtocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.Transport, transport)
        if self._out:
            self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take every frame that is whole."""
        self._filled += nbytes
        at = 0
        while not self._over and self._filled - at >= _HEAD.size:
            length, link = _HEAD.unpack_from(self._buffer, at)
            if length > (_LONGEST_MESSAGE_BYTES if link else limits.ENGINE_ORDER_BYTES):
                self.close()
                return
            end = at + _HEAD.size + length
            if end > self._filled:
                break
            self._take(link, self._buffer[at + _HEAD.size : end])
            at = end
        self._buffer[: self._filled - at] = self._buffer[at : self._filled]
        self._filled -= at

    def _take(self, link: int, body: memoryview) -> None:
        if link:
            self._message(link, bytes(body))
            return
        try:
            order = self._decoder.decode(body)
        except (msgspec.MsgspecError, ValueError):
            self.close()
            return
        self._ordered(order)

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the other end is gone."""
        self.close()
