"""One UDP flow inside a session: datagrams as capsules over a stream."""

from __future__ import annotations

import asyncio
from collections import deque

from passerelle import limits
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.wire.capsule import CapsuleDecoder, encode_datagram

_MARK_S = 0.005
"""Time between the marks in a queue, of which a full queue has about fifty."""


class Flow:
    """One end of a flow.

    A flow lives as long as the application uses it. Only datagrams towards the site count as use,
    so that a site cannot keep a forgotten flow open (RFC 4787 §4.3).
    """

    def __init__(self, stream: TunnelStream) -> None:
        self._stream = stream
        self._decoder = CapsuleDecoder()
        self._used_at = self._now()
        self._sent_bytes = 0
        self._marks: deque[tuple[int, float]] = deque()
        """Places in the queue, counted as `_sent_bytes` is, each with the time it was filled."""

    def send(self, payload: bytes) -> bool:
        """Send a datagram and return True, or drop it when the queue is full or stands still.

        The call never waits: a datagram that stood in a long queue is of no use when it arrives.
        """
        now = self._now()
        if self._waited_s(now) > limits.FLOW_QUEUE_S:
            return False
        capsule = encode_datagram(payload)
        if not self._stream.offer(capsule, limits.FLOW_QUEUE_BYTES):
            return False
        self._sent_bytes += len(capsule)
        if not self._marks or now - self._marks[-1][1] > _MARK_S:
            self._marks.append((self._sent_bytes, now))
        return True

    def _waited_s(self, now: float) -> float:
        """Return how long the oldest datagram has been in the queue, to a few milliseconds."""
        gone = self._sent_bytes - self._stream.queued
        while self._marks and self._marks[0][0] <= gone:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0

    async def receive(self) -> list[bytes]:
        """Return the next datagrams, at least one; none at the end of the flow.

        Raises StreamFailed, and PeerError for a malformed capsule, after which the caller breaks
        the flow off. Cancelling loses nothing.
        """
        # A full window may hold a hundred thousand empty datagrams: they are not taken at once.
        while data := await self._stream.read(limits.PIECE_BYTES):
            if payloads := self._decoder.receive(data):
                return payloads
        return []

    def abort(self) -> None:
        """Break the flow off. Idempotent."""
        self._stream.abort()

    def touch(self) -> None:
        """Note that the application has used the flow."""
        self._used_at = self._now()

    async def idle(self, after_s: float) -> None:
        """Wait until the flow has not been used for `after_s`. Cancelling changes nothing."""
        while (left_s := self._used_at + after_s - self._now()) > 0:  # noqa: ASYNC110  (a clock tells nobody)
            await asyncio.sleep(left_s)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
