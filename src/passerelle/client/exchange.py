"""Carries one HTTP request of an application, and the site's answer to it."""

from __future__ import annotations

import asyncio
import socket
import struct

from passerelle import limits
from passerelle.core.localport.httpbody import MalformedBody
from passerelle.core.localport.httpexchange import HttpExchange
from passerelle.errors import PasserelleError, StreamFailed
from passerelle.io.tunnel.splice import splice
from passerelle.io.tunnel.stream import TunnelStream

_LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER that has a socket's close tell the peer of a break, and not of an end."""


class HttpConversation:
    """One request on its stream, whose head is on its way already."""

    def __init__(
        self,
        exchange: HttpExchange,
        stream: TunnelStream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._exchange = exchange
        self._stream = stream
        self._reader = reader
        self._writer = writer
        self._ended = False
        """Whether the application sends no more."""

    async def run(self) -> bytes | None:
        """Carry request and answer. A slow reader on either side slows the other side's sender.

        Returns what the application has already sent of its next request; None if there is to be no
        next one. Raises OSError when the application breaks off. Cancelling breaks the stream off.
        """
        exchange = self._exchange
        try:
            error = await self._carry()
            if isinstance(error, OSError):
                raise error
            if error is not None:
                await self._explain(error)
                return None
            if exchange.switched:
                if exchange.rest:
                    await self._stream.write(exchange.rest)
                await splice(self._stream, self._reader, self._writer)
                return None
        finally:
            self._stream.abort()
        return exchange.rest if exchange.keeps_connection and not self._ended else None

    async def _carry(self) -> PasserelleError | OSError | None:
        """Return when the answer is complete or the protocol is switched; or what is wrong."""
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                upload = group.create_task(self._upload(), name="exchange/upload")
                await self._download()
                upload.cancel()
        except* (PasserelleError, OSError) as errors:
            error = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert error is None or isinstance(error, PasserelleError | OSError)  # caught above
        return error

    async def _upload(self) -> None:
        """Send the request's content, then watch for the application's end.

        What it sends after the content waits in the exchange, one piece of it.
        """
        exchange = self._exchange
        while not exchange.rest:
            data = await self._reader.read(limits.SOCKET_READ_BYTES)
            if not data:
                break
            if content := exchange.send(data):
                try:
                    await self._stream.write(content)
                except StreamFailed:
                    # The site takes no more; it may have answered before. The answer tells.
                    return
        else:
            return
        if not exchange.sent:
            raise MalformedBody
        # An application that sends no more may wait for its answer or have gone.
        self._ended = True
        self._stream.write_end()

    async def _download(self) -> None:
        exchange = self._exchange
        while not (exchange.complete or exchange.switched):
            data = await self._stream.read()
            if not data:
                exchange.receive_end()
            elif answer := exchange.receive(data):
                self._writer.write(answer)
                await self._writer.drain()

    async def _explain(self, error: PasserelleError) -> None:
        if page := self._exchange.explain(error):
            self._writer.write(page)
        elif self._exchange.cut_is_hidden:
            # An application must not take a part for the whole.
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._writer.transport.abort()
            return
        await self._writer.drain()
