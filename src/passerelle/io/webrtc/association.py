"""SCTP that a hostile volunteer can neither fill nor break.

What is used of aiortc's insides: `_handle_data` takes one packet, `_receive_chunk` one chunk and
`_receive_data_chunk` one fragment; `_send_sack` sends an acknowledgement. The first two are
extended. The others, which are the whole receiving half, are replaced: `arrivals` keeps what came.
`_advertised_rwnd`, `_last_received_tsn` and `_sack_needed` are kept true.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from passerelle import limits
from passerelle.core.bucket import Bucket
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tasks import describe
from passerelle.io.webrtc import chunks
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.arrivals import RECEIVE_WINDOW_BYTES, Arrivals, Fragment
from passerelle.io.webrtc.ortc import (
    Chunk,
    DataChunk,
    InitAckChunk,
    InitChunk,
    RTCDtlsTransport,
    SackChunk,
)
from passerelle.io.webrtc.sctp import SctpSender
from passerelle.wire.description import DATA_CHANNEL_ID

_log = logging.getLogger(__name__)

_SACK_DELAY_S = 0.01


class SctpAssociation(SctpSender):
    """One SCTP association that carries one DataChannel.

    aiortc advertises a window and does not hold the sender to it, walks through all that it holds
    for each chunk, accepts any number of streams, and lets the exceptions that odd packets provoke
    escape.
    """

    def __init__(
        self,
        transport: RTCDtlsTransport,
        broken: Callable[[LinkLost], None],
        allowance: Allowance,
    ) -> None:
        """`broken` is called once, when the volunteer sends what it must not. No more is taken.

        Bytes that arrive earn time of `allowance`.
        """
        super().__init__(transport)
        self._broken = broken
        self._refusing = False
        self._controls = Bucket(
            limits.CHANNEL_CONTROLS_PER_S, limits.CHANNEL_CONTROLS, time.monotonic()
        )
        self._allowance = allowance
        self._advertised_rwnd = RECEIVE_WINDOW_BYTES
        self._local_partial_reliability = False  # the channel is reliable
        self._arrivals: Arrivals | None = None
        """What has arrived, from the first chunk on."""
        self._sack_due: asyncio.TimerHandle | None = None
        """Set while one packet is received and not acknowledged."""

    async def _handle_data(self, data: bytes) -> None:
        if self._refusing:
            return
        try:
            self._count(chunks.judge(data))
            await super()._handle_data(data)
        except ConnectionError:
            raise
        except PeerError as error:
            self._refuse(error.code, error.reason)
        except Exception as error:
            # An odd packet may provoke any exception: `assert` and `decode` raise, among others.
            _log.warning("a volunteer's packet could not be handled: %s", describe(error))
            self._refuse(LinkCode.MALFORMED, "the volunteer sent a broken packet")

    def _count(self, controls: int) -> None:
        if controls and not self._controls.take(time.monotonic(), controls):
            raise PeerError(LinkCode.LIMIT, "too many control chunks")

    def _refuse(self, code: LinkCode, reason: str) -> None:
        self._refusing = True
        self._broken(LinkLost(code, reason))

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, InitChunk | InitAckChunk) and self._arrivals is not None:
            return  # a second beginning would change the numbers of what is held
        await super()._receive_chunk(chunk)

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        if chunk.stream_id != DATA_CHANNEL_ID:
            raise PeerError(LinkCode.UNEXPECTED, "the volunteer used another stream")
        if self._arrivals is None:
            if self._last_received_tsn is None:
                return  # there is no association yet
            self._arrivals = Arrivals(self._last_received_tsn)
        arrivals = self._arrivals
        self._sack_needed = True
        fragment = Fragment(chunk.flags, chunk.protocol, chunk.user_data)
        messages = arrivals.add(chunk.tsn, fragment)
        if messages is None:
            return
        self._allowance.earn(len(fragment.data))
        self._last_received_tsn = arrivals.tsn
        self._advertised_rwnd = arrivals.window_bytes
        for protocol, message in messages:
            await self._receive(DATA_CHANNEL_ID, protocol, message)
        await self._reset_deferred_streams()

    async def _send_sack(self) -> None:
        """Acknowledge every second packet, or after a moment (RFC 9260 §6.2).

        aiortc acknowledges each packet. Sending those acknowledgements is half of what a download
        costs.
        """
        arrivals = self._arrivals
        self._sack_needed = False
        if arrivals is None:
            return
        if not arrivals.has_gap and not arrivals.duplicates and self._sack_due is None:
            loop = asyncio.get_running_loop()
            self._sack_due = loop.call_later(_SACK_DELAY_S, self._send_late_sack)
            return
        self._cancel_sack()
        sack = SackChunk()
        sack.cumulative_tsn = arrivals.tsn
        sack.advertised_rwnd = arrivals.window_bytes
        sack.gaps = arrivals.gap_blocks()
        sack.duplicates, arrivals.duplicates = arrivals.duplicates, []
        await self._send_chunk(sack)

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
