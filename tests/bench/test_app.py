"""The application and the site that benchmarks measure with, against each other."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from bench.site import TOTAL, Site, Visit

SIZE = 300_000


@pytest.fixture
def site() -> Iterator[tuple[str, int]]:
    """Give the address of a running site."""
    with Site(("127.0.0.1", 0), Visit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "127.0.0.1", server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_download_has_the_size_asked_for(site: tuple[str, int]) -> None:
    with socket.create_connection(site, timeout=5) as connection:
        connection.sendall(b"down %d\n" % SIZE)
        assert len(everything(connection)) == SIZE


def test_an_upload_is_counted_whole_also_what_came_with_the_line(site: tuple[str, int]) -> None:
    with socket.create_connection(site, timeout=5) as connection:
        connection.sendall(b"up\nabc" + bytes(SIZE))
        connection.shutdown(socket.SHUT_WR)
        totals = [total for (total,) in TOTAL.iter_unpack(everything(connection))]
    assert totals[-1] == SIZE + 3
    assert totals == sorted(totals)


def test_an_echo_returns_what_it_gets(site: tuple[str, int]) -> None:
    with socket.create_connection(site, timeout=5) as connection:
        connection.sendall(b"echo\nab")
        assert connection.recv(2) == b"ab"
        connection.sendall(b"cd")
        assert connection.recv(2) == b"cd"


def test_nonsense_is_answered_with_an_end(site: tuple[str, int]) -> None:
    with socket.create_connection(site, timeout=5) as connection:
        connection.sendall(b"down much\n")
        assert connection.recv(1) == b""
        assert struct.calcsize(TOTAL.format) == 8
