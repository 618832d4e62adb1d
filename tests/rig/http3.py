"""HTTP/3 by aioquic: a server that sends test data, and a client that fetches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from tests.rig.certificate import Certificate
from tests.rig.site import blob

HOST = "127.0.0.1"


class _Server(QuicConnectionProtocol):
    """Answers `/bytes/N` with N bytes, and a request's body with its length."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http: H3Connection | None = None
        self._uploads: dict[int, int] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is not None:
            for each in self._http.handle_event(event):
                self._answer(self._http, each)

    def _answer(self, http: H3Connection, event: H3Event) -> None:
        if isinstance(event, HeadersReceived) and event.stream_ended:
            size = int(dict(event.headers)[b":path"].rpartition(b"/")[2])
            self._send(http, event.stream_id, blob(size))
        elif isinstance(event, DataReceived):
            stream = event.stream_id
            self._uploads[stream] = self._uploads.get(stream, 0) + len(event.data)
            if event.stream_ended:
                self._send(http, stream, str(self._uploads.pop(stream)).encode())

    def _send(self, http: H3Connection, stream: int, body: bytes) -> None:
        http.send_headers(stream, [(b":status", b"200")])
        http.send_data(stream, body, end_stream=True)
        self.transmit()


class Http3Client(QuicConnectionProtocol):
    """The client's end of one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = H3Connection(self._quic)
        self._bodies: dict[int, bytearray] = {}
        self._done: dict[int, asyncio.Future[bytes]] = {}

    async def fetch(self, path: str, upload: bytes | None = None) -> bytes:
        """Return the body of the answer to a GET, or to a POST of `upload`."""
        stream = self._quic.get_next_available_stream_id()
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._done[stream] = done
        self._bodies[stream] = bytearray()
        headers = [
            (b":method", b"GET" if upload is None else b"POST"),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            (b":path", path.encode()),
        ]
        self._http.send_headers(stream, headers, end_stream=upload is None)
        if upload is not None:
            self._http.send_data(stream, upload, end_stream=True)
        self.transmit()
        return await done

    def quic_event_received(self, event: QuicEvent) -> None:
        for each in self._http.handle_event(event):
            if isinstance(each, DataReceived):
                self._bodies[each.stream_id] += each.data
            if isinstance(each, DataReceived | HeadersReceived) and each.stream_ended:
                self._done[each.stream_id].set_result(bytes(self._bodies.pop(each.stream_id)))


@asynccontextmanager
async def http3_server(certificate: Certificate) -> AsyncIterator[int]:
    """Run a server; yield its port."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(certificate.pem, certificate.key)
    server = await serve(HOST, 0, configuration=configuration, create_protocol=_Server)
    try:
        yield int(server._transport.get_extra_info("sockname")[1])  # type: ignore[union-attr]
    finally:
        server.close()


@asynccontextmanager
async def http3_client(certificate: Certificate, port: int) -> AsyncIterator[Http3Client]:
    """Connect to a server at a port of this machine; the server must have `certificate`."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(str(certificate.pem))
    async with connect(
        HOST, port, configuration=configuration, create_protocol=Http3Client
    ) as connection:
        assert isinstance(connection, Http3Client)
        yield connection
