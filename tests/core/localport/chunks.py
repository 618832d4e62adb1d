"""Feed a handshake in pieces."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from passerelle.core.localport.request import (
    CloseConnection,
    Connect,
    Effect,
    Forward,
    Handshake,
    Send,
)


def feed(handshake: Handshake, chunks: Iterable[bytes]) -> tuple[bytes, Effect | None, bytes]:
    """Return all bytes sent, the last effect if any, and what follows it on the stream."""
    sent, last, stream = b"", None, b""
    for chunk in chunks:
        if isinstance(last, CloseConnection):
            continue
        if last is not None:
            stream += last.exchange.send(chunk) if isinstance(last, Forward) else chunk
            continue
        for effect in handshake.receive(chunk):
            assert last is None, "nothing may follow the last effect"
            if isinstance(effect, Send):
                sent += effect.data
            else:
                last = effect
    if isinstance(last, Connect):
        return sent, Connect(last.host, last.port), last.early + stream
    if isinstance(last, Forward):
        forward = Forward(last.host, last.port, last.head, b"", last.exchange)
        return sent, forward, last.early + stream
    return sent, last, b""


def trickle(data: bytes) -> list[bytes]:
    """Return `data` as chunks of one byte."""
    return [bytes([byte]) for byte in data]


def cut(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Draw a way to cut `data` into chunks."""
    places = st.lists(st.integers(0, len(data)), max_size=8).map(sorted)
    return places.map(
        lambda at: [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    )
