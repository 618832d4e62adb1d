"""SCTP that a hostile volunteer can neither fill nor break.

What is used of aiortc's insides: `_receive_data_chunk` takes one fragment and `_send_sack` sends an
acknowledgement; both are extended. `_advertised_rwnd`, `_sack_misordered`, `_sack_duplicates` and
the inbound stream's `reassembly` say what is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import describe
from passerelle.io.webrtc.ortc import Chunk, DataChunk, RTCDtlsTransport
from passerelle.io.webrtc.sctp import SctpSender
from passerelle.wire.description import DATA_CHANNEL_ID

_log = logging.getLogger(__name__)

RECEIVE_WINDOW_BYTES = limits.LINK_WINDOW_CAP_BYTES + limits.MIB
"""The window that SCTP advertises, larger than a link's largest window. A sender with more in
flight than is advertised provokes loss and falls to a few Mbit/s (aiortc's own value is 1 MiB)."""
_SACK_DELAY_S = 0.01


class SctpAssociation(SctpSender):
    """One SCTP association that carries one DataChannel.

    aiortc advertises a window and does not hold the sender to it, accepts any number of streams,
    and lets the exceptions that odd packets provoke escape.
    """

    def __init__(self, transport: RTCDtlsTransport, broken: Callable[[LinkLost], None]) -> None:
        """`broken` is called when the volunteer sends what it must not, perhaps several times."""
        super().__init__(transport)
        self._broken = broken
        self._advertised_rwnd = RECEIVE_WINDOW_BYTES
        self._sack_due: asyncio.TimerHandle | None = None
        """Set while one packet is received and not acknowledged."""

    async def _handle_data(self, data: bytes) -> None:
        try:
            await super()._handle_data(data)
        except ConnectionError:
            raise
        except Exception as error:
            # An odd packet may provoke any exception: `assert` and `decode` raise, among others.
            _log.warning("a volunteer's packet could not be handled: %s", describe(error))
            self._broken(LinkLost(LinkCode.MALFORMED, "the volunteer sent a broken packet"))

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        if chunk.stream_id != DATA_CHANNEL_ID:
            self._broken(LinkLost(LinkCode.UNEXPECTED, "the volunteer used another stream"))
            return
        await super()._receive_data_chunk(chunk)
        held_bytes = RECEIVE_WINDOW_BYTES - self._advertised_rwnd
        chunks = len(self._get_inbound_stream(DATA_CHANNEL_ID).reassembly)
        # What is held without a gap is the beginning of one message.
        most_bytes = RECEIVE_WINDOW_BYTES if self._sack_misordered else limits.LINK_MESSAGE_BYTES
        if held_bytes > most_bytes or chunks > limits.CHANNEL_CHUNKS:
            self._broken(LinkLost(LinkCode.LIMIT, "the volunteer sent fragments without end"))

    async def _send_sack(self) -> None:
        """Acknowledge every second packet, or after a moment (RFC 9260 §6.2).

        aiortc acknowledges each packet. Sending those acknowledgements is half of what a download
        costs.
        """
        urgent = self._sack_misordered or self._sack_duplicates or self._sack_due is not None
        if urgent:
            self._cancel_sack()
            await super()._send_sack()
        else:
            self._sack_needed = False
            loop = asyncio.get_running_loop()
            self._sack_due = loop.call_later(_SACK_DELAY_S, self._send_late_sack)

    def _send_late_sack(self) -> None:
        if not self._tasks.closed:
            self._tasks.spawn(self._send_sack(), "sack")

    def _cancel_sack(self) -> None:
        if self._sack_due is not None:
            self._sack_due.cancel()
            self._sack_due = None

    async def stop(self) -> None:
        await super().stop()
        # What arrived meanwhile may have started it again.
        self._cancel_sack()

    async def _send_chunk(self, chunk: Chunk) -> None:
        with contextlib.suppress(ConnectionError):  # the DTLS transport tells its owner
            await super()._send_chunk(chunk)
