"""SCTP that does not collapse when packets are lost: aiortc's, with another sending half.

aiortc halves its window at every loss, resends a packet only on the third miss indication, waits at
least a second for a lost tail, and walks through its whole send queue for every SACK. Here the
window is `RateControl`'s. A packet counts as lost when one sent a little later has arrived (RACK,
RFC 8985 §6.2), which also finds the loss of packets that were resent. A lost tail is probed for
after a round trip (RFC 8985 §7). A SACK costs what it newly acknowledges.

`RateControl` decides here how fast packets leave for the browser. How many of a session's bytes are
given to this link at all is decided above, by `core.tunnel.LinkEstimator` or, on a media link, by
`window_bytes`. `core.media.ratecontrol` says why there are two controllers.

What is used of aiortc's insides: `_send_chunk` sends one chunk. `_outbound_queue` holds fragments
that were not sent yet, in TSN order. `_receive_sack_chunk`, `_transmit` and `_t3_expired` are the
whole sending half and are replaced. `_flight_size`, `_local_tsn`, `_last_sacked_tsn` and
`_ssthresh` (the peer's first window, from its INIT) are read or kept true. Partial reliability is
not used.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from passerelle.core.media.delay import PathDelay
from passerelle.core.media.ratecontrol import RateControl
from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.ortc import (
    Chunk,
    DataChunk,
    RTCDtlsTransport,
    RTCSctpTransport,
    SackChunk,
)

_TSN_MASK = 0xFFFFFFFF
_SACK_BLOCKS = 20
"""Most gaps that a browser (dcSCTP) reports in one SACK, which says nothing of what is beyond."""
_PACE_GAIN = 1.25
"""The pace at which packets leave, over what the window comes to in a round trip."""
_BURST_S = 0.002
"""Time whose packets may leave at once. A browser's socket has room for about a hundred packets."""
_SOCKET_BYTES = 64_000
"""What a browser's UDP socket holds while the browser is busy. On a path that holds less than that,
more in flight is lost at the socket and sent again: 5 % of all packets on one host without this
bound."""
_RTT_AGE_S = 12.0
"""How long the smallest round trip is believed."""
_RTT_LEAST_S = 0.001
"""Shortest round trip from which the pace follows. On one host the window is no more than the
browser's socket holds."""
_INITIAL_RTT_S = 0.2
"""Round trip that is assumed until one is measured."""
_ACK_DELAY_S = 0.25
"""Least time added to the round trip before a timeout. A browser may hold a SACK for 200 ms when a
single packet came."""
_REORDER_LEAST_S = 0.004
"""A packet counts as lost when one that was sent at least this much later has arrived."""
_REORDER_SHARE = 0.125
"""The same as a share of the round trip; the larger of the two counts."""
_TIMEOUT_MOST_S = 8.0
_TIMEOUTS_MOST = 10
"""Timeouts in a row after which the association is over (RFC 9260 §8.1)."""
_PROBE_PACKETS = 2
"""Packets that are sent again after a timeout."""
_COPIES = 2
"""How many later packets carry a copy of a small chunk, while packets are lost."""
_COPIED_BYTES = 400
"""Largest size of a chunk that is copied, and of all copies in one packet."""
_LOSING_S = 10.0
"""Time after a loss for which another one is expected."""


class _Bundle(Chunk):
    """Several chunks in one packet (RFC 9260 §6.10)."""

    def __init__(self, chunks: list[DataChunk]) -> None:
        self._chunks = chunks

    def __bytes__(self) -> bytes:
        return b"".join(bytes(chunk) for chunk in self._chunks)

    def __repr__(self) -> str:
        return f"<{len(self._chunks)} chunks>"


@dataclass(slots=True, eq=False)
class _Flight:
    """A fragment from its first sending until everything before it has arrived too."""

    chunk: DataChunk
    size: int
    sent_s: float
    sending: int
    """The number of its last sending, counted over all fragments."""
    resent: bool = False
    lost: bool = False
    gone: bool = False
    """Whether it has left the path, arrived or lost; no SACK had room to say which."""
    arrived: bool = False


class SctpSender(RTCSctpTransport):
    """The SCTP transport of aiortc with another sending half."""

    def __init__(self, transport: RTCDtlsTransport) -> None:
        super().__init__(transport)
        self._control = RateControl(time.monotonic())
        self._delay = PathDelay(_RTT_AGE_S)
        self._rtt_s = _INITIAL_RTT_S
        self._rttvar_s = _INITIAL_RTT_S / 2
        self._flights: dict[int, _Flight] = {}
        """Fragments by TSN, in order: all that were sent and lie beyond the cumulative TSN."""
        self._holes: set[int] = set()
        """TSNs that are missing below the highest one that arrived."""
        self._highest: int | None = None
        """The highest TSN that a gap block told of."""
        self._held_bytes = 0
        """Bytes that have arrived and wait at the browser for something before them."""
        self._sendings: deque[tuple[_Flight, int, float]] = deque()
        """First sendings that may still be on the path, oldest first. Each has its fragment, its
        number and its time."""
        self._resendings: deque[tuple[_Flight, int, float]] = deque()
        """Later sendings that neither arrived nor were lost yet, in the same form."""
        self._gone: deque[_Flight] = deque()
        """First sendings that have left the path, by TSN; whether they arrived is not known yet."""
        self._sending_count = 0
        self._lost: deque[_Flight] = deque()
        """Fragments that were found lost, in the order in which they are sent again."""
        self._losing_until_s = 0.0
        """Until when losses are expected."""
        self._small: deque[_Flight] = deque(maxlen=_COPIES)
        """Small chunks of the last packets."""
        self._newest_arrival_s = 0.0
        """Send time of the newest packet that has arrived."""
        self._peer_window_bytes: int | None = None
        """What the browser advertised last."""
        self._busy = False
        """Whether `_transmit` is running."""
        self._ready_s = 0.0
        """When the pace allows the next packet."""
        self._resume: asyncio.TimerHandle | None = None
        """Runs while packets wait for the pace."""
        self._timeouts = 0
        """Timeouts in a row."""
        self._wait_over_s = math.inf
        """When the oldest packets are sent again."""
        self._tasks = TaskSet("sctp")

    @property
    def least_rtt_s(self) -> float:
        """The bare round trip to the browser, as far as it is known."""
        value = self._delay.least_s
        return value if value != float("inf") else _INITIAL_RTT_S

    @property
    def rtt_jitter_s(self) -> float:
        """How much longer than the bare one a round trip to the browser is without a queue."""
        return self._delay.jitter_s

    @property
    def rate(self) -> float:
        """What the path to the browser carries, in bytes per second; 0 until measured."""
        return self._control.rate

    @property
    def room_bytes(self) -> int:
        """How many bytes may be handed over without a queue here; negative when there is one."""
        waiting = sum(len(data) for _, _, data in self._data_channel_queue)
        waiting += sum(len(chunk.user_data) for chunk in self._outbound_queue)
        return self._window_bytes - self._flight_size - waiting

    @property
    def window_bytes(self) -> int:
        """How many bytes a layer above may have outstanding, so that this one is always busy.

        It is the window, and what has arrived but waits for something before it.
        """
        return self._window_bytes + self._held_bytes

    @property
    def _window_bytes(self) -> int:
        peer = self._ssthresh if self._peer_window_bytes is None else self._peer_window_bytes
        # A browser ends an association whose buffer overflows (dcSCTP).
        return min(self._congestion_window_bytes, peer)

    @property
    def _congestion_window_bytes(self) -> int:
        # Twice what the path holds, so that the window of a long path may double each round trip.
        held = int(2 * self._control.rate * (self.least_rtt_s + self.rtt_jitter_s))
        return min(self._control.window_bytes, held + _SOCKET_BYTES)

    async def stop(self) -> None:
        """Send no more, and abort the association. Idempotent."""
        await self._tasks.close()
        await super().stop()
        # What arrived meanwhile may have started it again.
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None

    # --- SACK -----------------------------------------------------------------------------------

    async def _receive_sack_chunk(self, chunk: SackChunk) -> None:
        last_sent = self._local_tsn - 1 & _TSN_MASK
        passed = chunk.cumulative_tsn - self._last_sacked_tsn & _TSN_MASK
        if passed > (last_sent - self._last_sacked_tsn & _TSN_MASK):
            return  # it is older than the last one, or acknowledges what was never sent
        now = time.monotonic()
        self._peer_window_bytes = chunk.advertised_rwnd
        newest: _Flight | None = None
        size = 0
        for flight in self._newly_arrived(chunk, passed):
            newest = self._arrive(flight, newest)
            size += flight.size
        self._last_sacked_tsn = chunk.cumulative_tsn
        if newest is not None:
            self._timeouts = 0
            self._measure(newest, size, now, whole=len(chunk.gaps) < _SACK_BLOCKS)
            self._find_losses(chunk)
            self._restart_timer()
        await self._data_channel_flush()
        await self._transmit()

    def _newly_arrived(self, chunk: SackChunk, passed: int) -> list[_Flight]:
        """Return the fragments that this SACK is the first to tell of.

        `passed` is by how much it raises the cumulative TSN.
        """
        base = self._last_sacked_tsn
        arrived = []
        for step in range(1, passed + 1):
            tsn = base + step & _TSN_MASK
            self._holes.discard(tsn)
            flight = self._flights.pop(tsn, None)
            if flight is None:
                continue  # it was not sent yet: the peer acknowledges the future
            if flight.arrived:
                self._held_bytes -= flight.size
            else:
                arrived.append(flight)
        if chunk.gaps:
            arrived += self._in_gaps(chunk)
        return arrived

    def _in_gaps(self, chunk: SackChunk) -> list[_Flight]:
        """Return the fragments that the SACK's gap blocks are the first to tell of."""
        cumulative = chunk.cumulative_tsn
        sent = self._local_tsn - 1 - cumulative & _TSN_MASK
        highest = 0
        if self._highest is not None:
            highest = self._highest - cumulative & _TSN_MASK
            highest = 0 if highest > sent else highest
        blocks = sorted(
            (start, min(end, sent)) for start, end in chunk.gaps if 0 < start <= min(end, sent)
        )
        starts = [start for start, _ in blocks]
        found = []
        for tsn in list(self._holes):
            offset = tsn - cumulative & _TSN_MASK
            block = bisect_right(starts, offset) - 1
            if block >= 0 and offset <= blocks[block][1]:
                self._holes.discard(tsn)
                found.append(tsn)
        for start, end in blocks:
            for offset in range(highest + 1, start):
                self._holes.add(cumulative + offset & _TSN_MASK)
            found += [
                cumulative + offset & _TSN_MASK
                for offset in range(max(start, highest + 1), end + 1)
            ]
            highest = max(highest, end)
        self._highest = cumulative + highest & _TSN_MASK
        flights = [self._flights[tsn] for tsn in found if tsn in self._flights]
        fresh = [flight for flight in flights if not flight.arrived]
        for flight in fresh:
            flight.arrived = True
            self._held_bytes += flight.size
        return fresh

    def _arrive(self, flight: _Flight, newest: _Flight | None) -> _Flight:
        flight.arrived = True
        self._land(flight)
        flight.lost = False
        self._control.arrived(flight.size)
        return flight if newest is None or flight.sent_s > newest.sent_s else newest

    def _measure(self, newest: _Flight, size: int, now: float, *, whole: bool) -> None:
        rtt_s = now - newest.sent_s
        if newest.resent and rtt_s < self.least_rtt_s:
            return  # its first sending has arrived, and was not lost after all
        self._newest_arrival_s = max(self._newest_arrival_s, newest.sent_s)
        # RFC 6298 §2.
        self._rttvar_s += (abs(self._rtt_s - rtt_s) - self._rttvar_s) / 4
        self._rtt_s += (rtt_s - self._rtt_s) / 8
        if whole:
            # A full SACK may not tell of the newest packet, and would show too long a queue.
            self._delay.add(size, newest.sent_s, now)
            self._delay.update(now)
        self._control.update(
            now,
            rtt_s=self.least_rtt_s + self.rtt_jitter_s,
            queue_s=self._delay.queue_s,
            jitter_s=self.rtt_jitter_s,
        )

    def _find_losses(self, chunk: SackChunk) -> None:
        reorder_s = max(_REORDER_LEAST_S, _REORDER_SHARE * self.least_rtt_s)
        before_s = self._newest_arrival_s - reorder_s
        known = _TSN_MASK
        if len(chunk.gaps) >= _SACK_BLOCKS:
            known = chunk.gaps[-1][1]

        def told(flight: _Flight) -> bool:
            """Tell whether the SACK had room to tell of it."""
            offset: int = flight.chunk.tsn - chunk.cumulative_tsn & _TSN_MASK
            return offset <= known

        while self._gone and (self._gone[0].arrived or told(self._gone[0])):
            flight = self._gone.popleft()
            if not flight.arrived and flight.gone:
                self._lose(flight)
        while self._sendings and self._sendings[0][2] < before_s:
            flight, sending, _ = self._sendings.popleft()
            if flight.arrived or flight.sending != sending:
                continue
            if told(flight):
                self._lose(flight)
            else:
                # Counted as flying, it would leave no room for what is known to be lost.
                self._land(flight)
                flight.gone = True
                self._gone.append(flight)
        # Later sendings are not in the order of their TSNs, so each of them is looked at.
        resendings, self._resendings = self._resendings, deque()
        for flight, sending, sent_s in resendings:
            if flight.arrived or flight.sending != sending:
                continue
            if sent_s >= before_s or not told(flight):
                self._resendings.append((flight, sending, sent_s))
            else:
                self._lose(flight)

    def _land(self, flight: _Flight) -> None:
        """Count a packet as not flying any more."""
        if not flight.lost and not flight.gone:
            self._flight_size -= flight.size
        flight.gone = False

    def _lose(self, flight: _Flight) -> None:
        self._land(flight)
        flight.lost = True
        self._control.lost(flight.size)
        self._losing_until_s = time.monotonic() + _LOSING_S
        self._lost.append(flight)

    # --- sending --------------------------------------------------------------------------------

    async def _transmit(self) -> None:
        """Send what the window and the pace allow."""
        if self._busy:
            return
        self._busy = True
        try:
            now = time.monotonic()
            self._ready_s = max(self._ready_s, now - _BURST_S)
            window, most = self._congestion_window_bytes, self._window_bytes
            # The pace is a little above what the window comes to.
            pace = _PACE_GAIN * window / max(_RTT_LEAST_S, self.least_rtt_s)
            while self._ready_s <= now and self._flight_size < window:
                flight = self._next(most)
                if flight is None:
                    break
                self._ready_s += flight.size / pace
                await self._dispatch(flight)
        finally:
            self._busy = False
        if self._ready_s > now and self._resume is None and (self._lost or self._outbound_queue):
            delay_s = self._ready_s - now + _BURST_S
            self._resume = asyncio.get_running_loop().call_later(delay_s, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        if not self._tasks.closed:
            self._tasks.spawn(self._flow(), "send")

    async def _flow(self) -> None:
        await self._data_channel_flush()
        await self._transmit()

    def _next(self, most: int) -> _Flight | None:
        """Return the next packet: a lost one, or a new one while fewer than `most` bytes are in
        flight.
        """
        if flight := self._next_lost():
            # The peer's window does not hold a lost packet back: there is a place in it for what is
            # missing.
            return flight
        if not self._outbound_queue or self._flight_size >= most:
            return None
        chunk = self._outbound_queue.popleft()
        flight = _Flight(chunk, len(chunk.user_data), 0.0, 0)
        self._flights[chunk.tsn] = flight
        return flight

    def _next_lost(self) -> _Flight | None:
        while self._lost:
            flight = self._lost.popleft()
            if not flight.arrived and flight.lost:
                flight.lost, flight.resent = False, True
                return flight
        return None

    async def _dispatch(self, flight: _Flight) -> None:
        self._flight_size += flight.size
        self._sending_count += 1
        flight.sending, flight.sent_s = self._sending_count, time.monotonic()
        sendings = self._resendings if flight.resent else self._sendings
        sendings.append((flight, flight.sending, flight.sent_s))
        self._control.sent(flight.size)
        if self._wait_over_s == math.inf:
            self._restart_timer()
        await self._send_chunk(self._with_copies(flight))

    def _with_copies(self, flight: _Flight) -> Chunk:
        """Return what to send for a fragment: the small chunks of the last packets go with it.

        That is done while packets are lost. Downloads are acknowledged in small messages, and each
        one that is lost holds up all behind it for a round trip and more. A copy in the next packet
        costs no packet (Flach et al., "Reducing Web Latency: the Virtue of Gentle Aggression",
        SIGCOMM 2013; RFC 2198 for voice).
        """
        if flight.size > _COPIED_BYTES or flight.sent_s > self._losing_until_s:
            self._small.clear()
            return flight.chunk
        room, copies = _COPIED_BYTES, [flight.chunk]
        for other in reversed(self._small):
            room -= other.size
            if not other.arrived and other is not flight and room >= 0:
                copies.append(other.chunk)
        self._small.append(flight)
        return _Bundle(copies[::-1]) if len(copies) > 1 else flight.chunk

    # --- the timer ------------------------------------------------------------------------------

    def _restart_timer(self) -> None:
        """Let the time to wait begin now. A timer that runs is looked at when it ends."""
        self._wait_over_s = math.inf
        if not self._flights:
            return
        wait_s = self._rtt_s + max(_ACK_DELAY_S, 4 * self._rttvar_s)
        delay_s = min(_TIMEOUT_MOST_S, wait_s * 2**self._timeouts)
        self._wait_over_s = time.monotonic() + delay_s
        if self._t3_handle is None:
            self._t3_handle = asyncio.get_running_loop().call_later(delay_s, self._t3_expired)

    def _t3_expired(self) -> None:
        """Send the oldest packets again. Their acknowledgement tells what became of the others."""
        self._t3_handle = None
        left_s = self._wait_over_s - time.monotonic()
        if left_s > 0:
            if self._flights:
                loop = asyncio.get_running_loop()
                self._t3_handle = loop.call_later(left_s, self._t3_expired)
            return
        self._timeouts += 1
        if self._timeouts > _TIMEOUTS_MOST:
            self._set_state(self.State.CLOSED)
            return
        oldest = [flight for flight in self._flights.values() if not flight.arrived]
        for flight in oldest[:_PROBE_PACKETS]:
            if not flight.lost:
                self._lose(flight)
        self._restart_timer()
        # These packets do not wait for room in the window, of which there may be none.
        if not self._tasks.closed:
            self._tasks.spawn(self._probe(), "probe")

    async def _probe(self) -> None:
        for _ in range(_PROBE_PACKETS):
            if flight := self._next_lost():
                await self._dispatch(flight)
