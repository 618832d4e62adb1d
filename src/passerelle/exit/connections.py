"""A stream at the exit, from the client's CONNECT to the end of the site's connection."""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Awaitable, Callable
from typing import cast

from passerelle import limits
from passerelle.core.address.policy import Denial, DestinationRefused
from passerelle.core.quota import Account
from passerelle.errors import Failure, StreamFailed
from passerelle.io.tunnel.stream import TunnelStream

LINGER_S = 30.0
"""Time that the site has for the last bytes after both directions have ended."""


class StreamEnding(enum.Enum):
    """How a stream ended. Values are metric labels."""

    DONE = "done"
    """Both directions ended properly."""
    REFUSED = "refused"
    """The policy denied the destination."""
    FAILED = "failed"
    """No connection could be made."""
    BROKEN = "broken"
    """The site or the client broke the stream off."""
    IDLE = "idle"
    """Nothing moved on the stream for too long."""
    EXPIRED = "expired"
    """The stream lasted too long."""


_buffer = memoryview(bytearray(limits.SOCKET_READ_BYTES))

Connect = Callable[[str, int, Callable[[], asyncio.BufferedProtocol]], Awaitable[None]]
"""Connects a protocol to a host and port, as the policy allows."""


async def until_multiple(step_s: float, began_s: float) -> None:
    """Wait for the next time that is a multiple of `step_s` after `began_s`, in the loop's time.

    A refusal of the policy is sent then, because the time that the decision took would tell what a
    name leads to.
    """
    elapsed_s = asyncio.get_running_loop().time() - began_s
    await asyncio.sleep(math.ceil(elapsed_s / step_s) * step_s - elapsed_s)


class SiteConnection(asyncio.BufferedProtocol):
    """Joins a stream and a connection, both directions, half-close included.

    There is one task while the connection is being made and none afterwards: bytes go from
    callback to callback. A slow reader on either side stops the other side's sender.
    """

    def __init__(
        self,
        stream: TunnelStream,
        account: Account,
        *,
        moved: Callable[[int, int], None],
        denied: Callable[[Denial], None],
        ended: Callable[[SiteConnection, StreamEnding], None],
    ) -> None:
        """`moved` gets bytes down and up, `denied` the policy's reason; `ended` is called once."""
        self._stream = stream
        self._account = account
        self._moved = moved
        self._denied = denied
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._dialling: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._writing = True
        self._write_due = False
        self._sent_eof = False
        self._owing: asyncio.TimerHandle | None = None
        """Timer after which bytes are moved again; None unless the ticket's rate is used up."""
        self._linger: asyncio.TimerHandle | None = None
        self._is_over = False
        self.began_s = self.active_s = self._loop.time()
        """When the stream began, and when something moved last, in the loop's time."""
        stream.listen(self)

    async def run(
        self, connect: Connect, host: str, port: int, *, refusal_s: float, turn_s: float = 0.0
    ) -> None:
        """Connect to the site after `turn_s`, or tell the client why that failed.

        A denied destination is refused a multiple of `refusal_s` after the request. Cancelling
        breaks everything off.
        """
        if self._is_over:  # ended before this task began
            return
        self._dialling = asyncio.current_task()
        try:
            await asyncio.sleep(turn_s)
            await connect(host, port, lambda: self)
        except DestinationRefused as error:
            self._denied(error.denial)
            await until_multiple(refusal_s, self.began_s)
            self._refuse(error.failure, StreamEnding.REFUSED)
        except StreamFailed as error:
            self._refuse(error.failure, StreamEnding.FAILED)
        except BaseException:
            self._break(StreamEnding.BROKEN)
            raise
        finally:
            self._dialling = None

    @property
    def held_bytes(self) -> int:
        """Memory that waits for the site, beside the stream's own."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def end(self, ending: StreamEnding) -> None:
        """Break everything off. Idempotent."""
        if self._dialling is not None:
            self._dialling.cancel()
        self._break(ending)

    def _refuse(self, failure: Failure, ending: StreamEnding) -> None:
        self._stream.listen(None)
        self._stream.refuse(failure)
        self._finish(ending)

    # --- the site's connection ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the stream: the site has taken the connection."""
        self._transport = cast(asyncio.Transport, transport)
        if self._is_over:
            self._transport.abort()
            return
        # What the socket has not taken yet stops the writing: everything else waits in the stream,
        # where small pieces are joined and the window counts them.
        self._transport.set_write_buffer_limits(0)
        self._stream.accept()
        self.stream_changed()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer that all connections share: it is filled and emptied within one call."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Queue what the site sent; stop reading while too much waits."""
        self.active_s = self._loop.time()
        self._moved(nbytes, 0)
        self._stream.push(_buffer[:nbytes])
        self._pay(nbytes)
        if self._stream.queued > limits.STREAM_SEND_BYTES:
            self._read(False)

    def eof_received(self) -> bool:
        """End the stream towards the client; the other direction stays open."""
        if self._stream.failure is None:
            self._stream.write_end()
        return True

    def pause_writing(self) -> None:
        """Stop the client: the site reads more slowly than the client sends."""
        self._writing = False

    def resume_writing(self) -> None:
        """Let the client go on: the site has caught up."""
        self._writing = True
        self.stream_changed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Finish the stream: the site's connection has ended, in good order or not."""
        self._stream.abort()
        self._finish(
            StreamEnding.DONE if self._stream.over and exc is None else StreamEnding.BROKEN
        )

    # --- the stream -----------------------------------------------------------------------------

    def stream_changed(self) -> None:
        """Move the bytes that can be moved now, in both directions."""
        if self._is_over:
            return
        if self._stream.failure is not None:
            self.end(StreamEnding.BROKEN)
            return
        transport = self._transport
        if transport is None:
            return
        self._schedule_write()
        if not self._reading and self._stream.queued <= limits.STREAM_SEND_BYTES // 2:
            self._read(True)
        if self._stream.over and self._linger is None:
            transport.close()
            self._linger = self._loop.call_later(LINGER_S, transport.abort)

    def _schedule_write(self) -> None:
        """Write once for everything that arrives in this turn of the event loop."""
        stream = self._stream
        waits = stream.unread or (stream.end_received and not self._sent_eof)
        if waits and self._writing and self._owing is None and not self._write_due:
            self._write_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._write_due = False
        transport = self._transport
        if self._is_over or transport is None or not self._writing or self._owing is not None:
            return
        if data := self._stream.take_received(limits.SITE_WRITE_BYTES):
            self.active_s = self._loop.time()
            self._moved(0, len(data))
            transport.write(data)
            self._pay(len(data))
        elif self._stream.end_received and not self._sent_eof:
            self._sent_eof = True
            transport.write_eof()
        self.stream_changed()

    def _read(self, wanted: bool) -> None:
        transport = self._transport
        if transport is None or wanted == self._reading or (wanted and self._owing is not None):
            return
        self._reading = wanted
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # --- the rate -------------------------------------------------------------------------------

    def _pay(self, size: int) -> None:
        pause_s = self._account.spend(size, self.active_s)
        if pause_s and self._owing is None:
            self._read(False)
            self._owing = self._loop.call_later(pause_s, self._paid)

    def _paid(self) -> None:
        self._owing = None
        self.stream_changed()

    # --- the end --------------------------------------------------------------------------------

    def _break(self, ending: StreamEnding) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._stream.listen(None)
        self._stream.abort()
        self._finish(ending)

    def _finish(self, ending: StreamEnding) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._stream.listen(None)
        for timer in (self._owing, self._linger):
            if timer is not None:
                timer.cancel()
        self._ended(self, ending)
