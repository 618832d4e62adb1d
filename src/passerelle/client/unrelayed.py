"""The path to an exit that leads through no volunteer.

Few clients need it, and aiohttp takes 8 MB of a process. So this module is imported when the first
such path is made.
"""

from __future__ import annotations

import asyncio

import aiohttp

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.tunnel.websocket import MESSAGE_LIMIT_BYTES, SUBPROTOCOL, WebSocketTransport
from passerelle.io.webrtc.engine import ClosingTransport


class UnrelayedPath:
    """A WebSocket from the client straight to the exit, for networks where UDP is blocked."""

    volunteer = None
    has_media = False

    def __init__(self, url: str, ticket: str) -> None:
        self._url = url
        self._ticket = ticket
        self.steps: tuple[tuple[str, float], ...] = ()

    async def open(self, timeout_s: float) -> ClosingTransport:
        """See `Path.open`."""
        http = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(timeout_s):
                socket = await http.ws_connect(
                    self._url,
                    protocols=(SUBPROTOCOL, self._ticket),
                    max_msg_size=MESSAGE_LIMIT_BYTES,
                    compress=0,
                    autoping=False,
                )
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            await http.close()
            raise LinkLost(LinkCode.TRANSPORT, "no direct connection to the exit") from None
        except BaseException:
            await http.close()
            raise
        self.steps = (("websocket", loop.time() - start),)
        return _UnrelayedTransport(http, WebSocketTransport(socket))

    async def close(self) -> None:
        """See `Path.close`."""


class _UnrelayedTransport:
    """A WebSocket transport that runs by itself, and owns its HTTP session."""

    def __init__(self, http: aiohttp.ClientSession, inner: WebSocketTransport) -> None:
        self._http = http
        self._inner = inner
        self._tasks = TaskSet("direct")
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
        await self._http.close()
        self._gone.set()
