"""One UDP flow inside a session: datagrams over a stream, as capsules."""

from __future__ import annotations

import asyncio

from passerelle import limits
from passerelle.io.stream import TunnelStream
from passerelle.wire.capsule import CapsuleDecoder, encode_datagram


class Flow:
    """One end of a flow.

    It lives as long as the application uses it: only what goes towards the site counts, so that a
    site cannot keep a forgotten flow open (RFC 4787 §4.3).
    """

    def __init__(self, stream: TunnelStream) -> None:
        self._stream = stream
        self._decoder = CapsuleDecoder()
        self._used_at = self._now()

    def send(self, payload: bytes) -> bool:
        """Send a datagram, or drop it when `limits.FLOW_QUEUE_BYTES` wait; return which.

        Never waits: a datagram that stands in a long queue is of no use when it arrives.
        """
        return self._stream.offer(encode_datagram(payload), limits.FLOW_QUEUE_BYTES)

    async def receive(self) -> list[bytes]:
        """Return the next datagrams, at least one; none at the end.

        Raises StreamFailed, and PeerError for a malformed capsule: break the stream off then.
        Cancelling loses nothing.
        """
        while data := await self._stream.read():
            if payloads := self._decoder.receive(data):
                return payloads
        return []

    def abort(self) -> None:
        """Break the flow off. Idempotent."""
        self._stream.abort()

    def touch(self) -> None:
        """Note that the application uses the flow."""
        self._used_at = self._now()

    async def idle(self, after_s: float) -> None:
        """Wait until the flow has not been used for `after_s`."""
        while (left_s := self._used_at + after_s - self._now()) > 0:  # noqa: ASYNC110  (a clock tells nobody)
            await asyncio.sleep(left_s)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
