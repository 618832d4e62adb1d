from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.httpbody import Body, Framing, MalformedBody
from passerelle.limits import PROXY_HEAD_BYTES
from tests.core.localport.chunks import cut, trickle

NEXT = b"GET / HTTP/1.1\r\n"


def receive(body: Body, chunks: list[bytes]) -> bytes:
    return b"".join(map(body.receive, chunks))


def unchunk(data: bytes) -> bytes:
    """Take chunks off as a strict server does."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert isinstance(server.next_event(), h11.Request)
    content = b""
    while isinstance(event := server.next_event(), h11.Data):
        content += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert list(event.headers) == []
    return content


@given(st.binary(max_size=40), st.binary(max_size=10), st.data())
def test_length(content: bytes, more: bytes, draw: st.DataObject) -> None:
    """Content of a known length ends there, and what comes behind it is kept apart."""
    body = Body(Framing.LENGTH, len(content))
    assert receive(body, draw.draw(cut(content + more))) == content
    assert body.complete
    assert body.rest == more
    body.receive_end()


def test_no_content_is_complete_at_once() -> None:
    """A message without content is complete before a byte comes."""
    body = Body(Framing.LENGTH)
    assert body.complete
    assert body.receive(NEXT) == b""
    assert body.rest == NEXT


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.data())
def test_chunks(pieces: list[bytes], draw: st.DataObject) -> None:
    """Chunks are made anew, without extensions and trailer fields, or taken off."""
    data = b"".join(b"%X;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    data += b"0\r\nHost: smuggled\r\nExpires: never\r\n\r\n"
    made, taken = Body(Framing.CHUNKED), Body(Framing.CHUNKED, write_chunks=False)
    chunks = draw.draw(cut(data + NEXT))
    assert unchunk(receive(made, chunks)) == b"".join(pieces)
    assert receive(taken, chunks) == b"".join(pieces)
    for body in (made, taken):
        assert body.complete
        assert body.rest == NEXT


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"5\r\nhelloX",
        b"-1\r\n",
        b"0x5\r\nhello\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"1" * 21 + b"\r\n",
        b"0\r\nX: " + b"y" * PROXY_HEAD_BYTES,
    ],
)
def test_broken_chunks(data: bytes) -> None:
    """What is not written as chunks are, or larger than any chunk's head, is an error."""
    for chunks in ([data], trickle(data) if len(data) < 100 else [data[:9], data[9:]]):
        with pytest.raises(MalformedBody):
            receive(Body(Framing.CHUNKED), chunks)


def test_content_until_the_end_of_the_connection() -> None:
    """All bytes are content until the connection ends."""
    body = Body(Framing.CLOSE)
    assert receive(body, [b"a", b"", b"b"]) == b"ab"
    assert not body.complete
    body.receive_end()
    assert body.complete


@pytest.mark.parametrize("body", [Body(Framing.LENGTH, 2), Body(Framing.CHUNKED)])
def test_an_early_end(body: Body) -> None:
    """Content that ends before its end was announced is incomplete."""
    body.receive(b"1")
    with pytest.raises(MalformedBody):
        body.receive_end()
