"""The path to an exit that leads through no volunteer.

Few clients need it, and aiohttp, whose messages it shares with servers, takes 8 MB of a process. So
this module is imported when the first such path is made.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.net.browsersocket import BrowserSocket, SocketFailed
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.tunnel.websocket import SUBPROTOCOL, WebSocketTransport
from passerelle.io.webrtc.engine import ClosingTransport


class UnrelayedPath:
    """A WebSocket from the client to the exit, for networks where UDP is blocked.

    It goes straight to the exit, or through a door.
    """

    volunteer = None
    has_media = False

    def __init__(self, url: str, ticket: str) -> None:
        """`url` is the exit's own or a door's for it (`wire.doors.link_url`)."""
        self._url = url
        self._ticket = ticket
        self.server = urlsplit(url).hostname or ""
        self.steps: tuple[tuple[str, float], ...] = ()

    async def open(self, timeout_s: float) -> ClosingTransport:
        """See `Path.open`."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            socket = await BrowserSocket.connect(
                self._url,
                protocols=(SUBPROTOCOL, self._ticket),
                most=limits.LINK_MESSAGE_BYTES,
                timeout_s=timeout_s,
            )
        except SocketFailed:
            raise LinkLost(LinkCode.TRANSPORT, f"no WebSocket at {self.server}") from None
        self.steps = (("websocket", loop.time() - start),)
        return _UnrelayedTransport(socket)

    async def close(self) -> None:
        """See `Path.close`."""


class _UnrelayedTransport:
    """A WebSocket transport that runs by itself, and owns its connection."""

    def __init__(self, socket: BrowserSocket) -> None:
        self._socket = socket
        self._inner = WebSocketTransport(socket, socket.abort)
        self._tasks = TaskSet("unrelayed")
        self._started = False
        self._gone = asyncio.Event()

    def start(self, receiver: Receiver) -> None:
        """See `Transport.start`."""
        self._started = True
        self._inner.start(receiver)
        self._tasks.spawn(self._run(), "websocket")

    def send(self, message: bytes) -> None:
        """See `Transport.send`."""
        self._inner.send(message)

    def send_control(self, text: str) -> None:
        """Send nothing: there is no relay."""

    def windows(self, rtt_s: float) -> Windows | None:
        """Return None: nothing is known of the path."""

    def close(self, code: LinkCode) -> None:
        """See `Transport.close`."""
        self._inner.close(code)
        if not self._started:
            self._started = True
            self._tasks.spawn(self._release(), "close")

    async def wait_closed(self) -> None:
        """See `ClosingTransport.wait_closed`."""
        await self._gone.wait()

    async def _run(self) -> None:
        try:
            await self._inner.run()
        finally:
            await self._release()

    async def _release(self) -> None:
        await self._socket.release()
        self._gone.set()
