"""The beginning and the end of a transport, which are the same whatever WebRTC stack carries it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Receiver

HANDSHAKE_LEAST_S = 4.0
"""Shortest limit for DTLS and SCTP. A packet that is lost twice is sent again after 1 and 3 s."""
HANDSHAKE_OF_ICE = 4
"""On a slow path the limit is as many times what ICE took. ICE takes a round trip or two, DTLS and
SCTP four."""


def handshake_limit_s(ice_s: float) -> float:
    """Return in how many seconds DTLS and SCTP must be done after an ICE that took `ice_s`.

    A page that has closed its side meanwhile, or died, never answers.
    """
    return max(HANDSHAKE_LEAST_S, HANDSHAKE_OF_ICE * ice_s)


class Path(Protocol):
    """What a transport leads over."""

    async def close(self) -> None:
        """Close everything. Idempotent."""


class PathTransport:
    """A transport over a path that ends once. Subclasses send and deliver."""

    def __init__(self, path: Path, name: str) -> None:
        """The transport closes `path` when it ends; `name` is for its tasks."""
        self._path = path
        self._receiver: Receiver | None = None
        self._early_error: LinkLost | None = None
        """Why the path broke before `start`."""
        self._closed = False
        self._tasks = TaskSet(name)
        self._gone = asyncio.Event()

    def close(self, code: LinkCode) -> None:
        """Send of what is queued as much as can be sent at once, then close."""
        self._end(None)

    async def wait_closed(self) -> None:
        """Wait until the connection has ended and its sockets are closed."""
        await self._gone.wait()

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._closed

    def path_lost(self, error: LinkLost) -> None:
        """Learn from the path that it is broken. Later calls change nothing."""
        if self._receiver is None:
            self._early_error = self._early_error or error
        else:
            self._end(error)

    def _started(self, *, is_open: bool) -> None:
        """Tell the receiver soon if the path broke before it was there."""
        if self._early_error is not None:
            asyncio.get_running_loop().call_soon(self._end, self._early_error)
        elif not is_open:
            asyncio.get_running_loop().call_soon(self._lost)

    def _lost(self, _event: object = None) -> None:
        self._end(LinkLost(LinkCode.TRANSPORT, "the volunteer's connection ended"))

    def _end(self, error: LinkLost | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._fall_silent()
        self._tasks.spawn(self._shut(error), "close")
        if error is not None and self._receiver is not None:
            self._receiver.transport_lost(error)

    async def _shut(self, error: LinkLost | None) -> None:
        try:
            await self._flush(error)
        finally:
            await self._path.close()
            self._gone.set()

    def _fall_silent(self) -> None:
        """Say nothing more by itself. For subclasses that do."""

    async def _flush(self, error: LinkLost | None) -> None:
        """Send what is queued; with an `error` nothing more can be sent. It takes a short time."""
        raise NotImplementedError
