"""The site, which sends, takes or echoes bytes over TCP: `python -m bench.site ADDRESS PORT`.

A connection begins with one line. `down N` gets N bytes. `up` is answered with the number of bytes
that have arrived (eight bytes, big-endian, now and then and at the end). `echo` gets back what it
sends. `pull N RATE` gets N bytes at a steady pace. `push N` sends N bytes, and is answered with one
line of JSON (`bench.steady`).
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import sys
import time

from bench import steady

BLOCK = bytes(1 << 18)
BUFFER_BYTES = 1 << 20
REPORT_S = 0.05
LINE_BYTES = 64
TOTAL = struct.Struct(">Q")


class Visit(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Read the line and obey it. An application may leave at any time."""
        connection: socket.socket = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # CUBIC whatever this machine's default is: it is the Internet's most common TCP.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        with contextlib.suppress(ConnectionError, ValueError):
            line, rest = _line(connection)
            match line.split():
                case [b"down", size]:
                    _down(connection, int(size))
                case [b"up"]:
                    _up(connection, len(rest))
                case [b"echo"]:
                    _echo(connection, rest)
                case [b"pull", size, rate]:
                    steady.send(connection, int(size), int(rate))
                    connection.recv(1)
                case [b"push", size]:
                    told = steady.receive(connection, int(size), rest)
                    connection.sendall(json.dumps(told).encode() + b"\n")


def _line(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\n" not in data and len(data) <= LINE_BYTES:
        more = connection.recv(BUFFER_BYTES)
        if not more:
            raise ConnectionError
        data += more
    line, _, rest = data.partition(b"\n")
    return line, rest


def _down(connection: socket.socket, size: int) -> None:
    while size > 0:
        size -= connection.send(BLOCK[: min(size, len(BLOCK))])
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def _up(connection: socket.socket, total: int) -> None:
    buffer = bytearray(BUFFER_BYTES)
    told_s = 0.0
    while size := connection.recv_into(buffer):
        total += size
        if time.monotonic() - told_s > REPORT_S:
            told_s = time.monotonic()
            connection.sendall(TOTAL.pack(total))
    connection.sendall(TOTAL.pack(total))


def _echo(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)
        data = connection.recv(BUFFER_BYTES)
        if not data:
            return


class Site(socketserver.ThreadingTCPServer):
    """All connections."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until the process is ended."""
    address, port = sys.argv[1], int(sys.argv[2])
    with Site((address, port), Visit) as site:
        print("ready", flush=True)
        site.serve_forever()


if __name__ == "__main__":
    main()
