"""A WebSocket whose TLS looks like a browser's.

Chrome offers HTTP/1.1 alone for a WebSocket, and otherwise says the same ClientHello as for a page.
So does curl_cffi, whose WebSocket is given here the methods of aiohttp's, as far as
`io.tunnel.websocket` calls them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Self
from urllib.parse import urlsplit

from aiohttp import WSMessage, WSMsgType
from curl_cffi import CurlError, CurlOpt
from curl_cffi.const import CurlWsFlag
from curl_cffi.requests import AsyncSession, AsyncWebSocket
from curl_cffi.requests.impersonate import DEFAULT_CHROME

from passerelle.errors import LocalError
from passerelle.io.net.disguise import new_session

QUEUED_MESSAGES: Final = 4
"""Messages that wait inside the library, in each direction. Sender and TCP hold back the rest."""
HANDSHAKE_BYTES_S: Final = 10_000
"""A server that answers more slowly than that for as long as the handshake may take is given up.
libcurl keeps no other time for the answer to a WebSocket's request, and a thread waits for it. One
that answers faster is at an end soon, because libcurl takes at most 300 KB of fields."""
_VERSION: Final = DEFAULT_CHROME.removeprefix("chrome")
_HEADERS: Final = {
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    f"(KHTML, like Gecko) Chrome/{_VERSION}.0.0.0 Safari/537.36",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
}
"""What Chrome says when a page opens a WebSocket, beside the fields of every WebSocket."""


class SocketFailed(LocalError):
    """No WebSocket could be opened."""


class BrowserSocket:
    """A WebSocket that is open, and its connection. It answers PINGs by itself."""

    def __init__(self, session: AsyncSession[Any], socket: AsyncWebSocket) -> None:
        self._session = session
        self._socket = socket

    @classmethod
    async def connect(
        cls, url: str, *, protocols: Sequence[str], most: int, timeout_s: float
    ) -> BrowserSocket:
        """Open a WebSocket at `url` (`wss:` or `ws:`), for messages of at most `most` bytes.

        Raises SocketFailed, also after `timeout_s`. Cancelling gives up.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}"
        session = new_session(timeout_s)
        try:
            socket = await session.ws_connect(
                url,
                headers={
                    **_HEADERS,
                    "Origin": origin,
                    "Sec-WebSocket-Protocol": ", ".join(protocols),
                },
                default_headers=False,
                curl_options={
                    CurlOpt.LOW_SPEED_LIMIT: HANDSHAKE_BYTES_S,
                    CurlOpt.LOW_SPEED_TIME: math.ceil(timeout_s),
                },
                recv_queue_size=QUEUED_MESSAGES,
                send_queue_size=QUEUED_MESSAGES,
                max_message_size=most,
                drain_on_error=True,
            )
        except CurlError:
            await session.close()
            raise SocketFailed("no WebSocket") from None
        except BaseException:
            await session.close()
            raise
        return cls(session, socket)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WSMessage:
        """Return the next message; the iteration ends with the WebSocket."""
        try:
            data, flags = await self._socket.recv()
        except CurlError:
            raise StopAsyncIteration from None
        if flags & CurlWsFlag.CLOSE:
            raise StopAsyncIteration
        if flags & CurlWsFlag.TEXT:
            return WSMessage(WSMsgType.TEXT, data.decode(errors="replace"), None)
        return WSMessage(WSMsgType.BINARY, data, None)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, or wait until the library takes it. Raises ConnectionError."""
        try:
            await self._socket.send_binary(data)
        except CurlError:
            raise ConnectionError("the WebSocket has ended") from None

    async def pong(self, data: bytes) -> None:
        """Do nothing: the library has answered."""

    async def close(self, *, code: int) -> None:
        """Send what is queued, then close with `code`. Cancelling breaks the WebSocket off."""
        await self._socket.close(code)

    def abort(self) -> None:
        """Break the connection off. Idempotent."""
        self._socket.terminate()

    async def release(self) -> None:
        """Break the connection off, and free what belongs to it."""
        self._socket.terminate()
        await self._session.close()
