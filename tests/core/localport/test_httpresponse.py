from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.httpresponse import (
    Asked,
    BadResponse,
    HttpResponse,
    ResponseFault,
)
from passerelle.limits import PROXY_RESPONSE_HEAD_BYTES
from tests.core.localport.chunks import cut, trickle

OK = b"HTTP/1.1 200 OK\r\n"
GET = Asked()
HEAD = Asked(b"HEAD")
OLD = Asked(http_1_0=True)
WEBSOCKET = Asked(upgrade=b"websocket")


def passed(
    data: bytes, asked: Asked = GET, *, closes: bool = False, ends: bool = False
) -> tuple[bytes, bytes, HttpResponse]:
    """Return the head and the content that the application gets, whole and byte by byte alike."""
    outcomes = []
    for chunks in ([data], trickle(data)):
        response = HttpResponse(asked)
        out = b"".join(response.receive(chunk, closes=closes) for chunk in chunks)
        if ends:
            response.receive_end()
        head, _, content = out.partition(b"\r\n\r\n")
        if b"Transfer-Encoding" in head:
            content = unchunk(content)
        outcomes.append((head, content, response))
    assert outcomes[0][:2] == outcomes[1][:2]
    return outcomes[0]


def unchunk(data: bytes) -> bytes:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.receive_data(OK + b"Transfer-Encoding: chunked\r\n\r\n" + data)
    assert isinstance(client.next_event(), h11.Response)
    content = b""
    while isinstance(event := client.next_event(), h11.Data):
        content += event.data
    assert isinstance(event, h11.EndOfMessage)
    return content


def fault(data: bytes, asked: Asked = GET) -> ResponseFault:
    found = []
    for chunks in ([data], trickle(data) if len(data) < 1000 else [data[:7], data[7:]]):
        response = HttpResponse(asked)
        with pytest.raises(BadResponse) as caught:
            receive_all(response, chunks)
        found.append(caught.value.fault)
    assert found[0] is found[1]
    return found[0]


def receive_all(response: HttpResponse, chunks: list[bytes]) -> bytes:
    return b"".join(response.receive(chunk, closes=False) for chunk in chunks)


def test_length() -> None:
    """An answer of known length goes on without the fields of its hop, and then is complete."""
    head, content, response = passed(
        OK + b"Content-Length: 5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        b"Keep-Alive: timeout=65\r\nUpgrade: h2c\r\nSet-Cookie: a=b\r\n\r\nhello, and more"
    )
    assert head == b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 5"
    assert content == b"hello"
    assert response.complete
    assert not response.ends_by_close


def test_closing_is_said() -> None:
    """The head says so when the connection is closed afterwards."""
    head, _, _ = passed(OK + b"Content-Length: 0\r\n\r\n", closes=True)
    assert head.endswith(b"\r\nConnection: close")


def test_chunks() -> None:
    """Chunks are made anew; trailer fields are dropped."""
    data = (
        OK + b"Transfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n3;x\r\nabc\r\n0\r\nX: 1\r\n\r\nmore"
    )
    head, content, response = passed(data)
    assert head.endswith(b"\r\nTransfer-Encoding: chunked")
    assert content == b"abc"
    assert response.complete


def test_chunks_for_an_old_application() -> None:
    """HTTP/1.0 knows no chunks: the end of the connection ends the content."""
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    head, content, response = passed(data, OLD, closes=True)
    assert head == OK + b"Connection: close"
    assert content == b"abc"
    assert response.complete
    assert response.ends_by_close


def test_content_until_the_end_of_the_connection() -> None:
    """Such an answer says that the connection is closed after it."""
    head, content, response = passed(OK + b"\r\nabc", ends=True)
    assert head == OK + b"Connection: close"
    assert content == b"abc"
    assert response.complete
    assert response.ends_by_close


@pytest.mark.parametrize(
    ("status", "asked"), [(b"204", GET), (b"304", GET), (b"200", HEAD), (b"404", HEAD)]
)
@pytest.mark.parametrize("length", [b"", b"Content-Length: 5\r\n"])
def test_no_content(status: bytes, asked: Asked, length: bytes) -> None:
    """HEAD, 204 and 304 have none, whatever length their head names."""
    head, content, response = passed(b"HTTP/1.1 " + status + b" X\r\n" + length + b"\r\n", asked)
    assert response.complete
    assert not response.ends_by_close
    assert content == b""
    assert (b"Content-Length: 5" in head) == bool(length and status != b"204")


def test_interim_answers() -> None:
    """100 and 103 go on ahead of the answer, but not to an HTTP/1.0 application."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + early + OK + b"Content-Length: 1\r\n\r\nx"
    for chunks in ([data], trickle(data)):
        response = HttpResponse(GET)
        assert b"".join(response.receive(chunk, closes=False) for chunk in chunks) == data
        assert response.complete
    waiting = HttpResponse(GET)
    assert waiting.receive(early, closes=False) == early
    assert not waiting.begun
    assert passed(data, OLD)[0] == OK + b"Content-Length: 1"


def test_upgrade() -> None:
    """After 101 all bytes pass, until either side ends."""
    data = (
        b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: x\r\n\r\n\x81\x00"
    )
    head, content, response = passed(data, WEBSOCKET, ends=True)
    assert head == (
        b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: x\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket"
    )
    assert content == b"\x81\x00"
    assert response.switched
    assert response.begun
    assert response.receive(b"\r\n", closes=False) == b"\r\n"
    assert passed(OK + b"Content-Length: 1\r\n\r\nx", WEBSOCKET)[2].complete


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (b"HTTP/1.1 200\r\n", [b"HTTP/1.1 200 "]),
        (b"\r\nHTTP/1.0 200 OK\r\n", [b"HTTP/1.1 200 OK"]),
        (b"ICY 200 OK\r\nicy-name: radio\r\n", [b"HTTP/1.1 200 OK", b"icy-name: radio"]),
        (b"HTTP/1.1 200 OK\nX: 1\n", [b"HTTP/1.1 200 OK", b"X: 1"]),
        (OK + b"X: 1\r\n  2\r\n\t3\r\n", [b"HTTP/1.1 200 OK", b"X: 1 2 3"]),
        (OK + b"X \t: 1 \r\n", [b"HTTP/1.1 200 OK", b"X: 1"]),
        (OK + b"X: a\0b\rc\r\n", [b"HTTP/1.1 200 OK", b"X: a b c"]),
        (OK + b"X_y: caf\xe9 \x01\r\n", [b"HTTP/1.1 200 OK", b"X_y: caf\xe9 \x01"]),
        (OK + b"no field\r\n: 1\r\nX y: 1\r\nX:\r\n", [b"HTTP/1.1 200 OK", b"X: "]),
        (OK + b"Transfer-Encoding: identity\r\n", [b"HTTP/1.1 200 OK"]),
    ],
)
def test_heads_as_the_web_has_them(head: bytes, lines: list[bytes]) -> None:
    """What browsers read is set right and passed on (RFC 9112 §2.2, §5.1, §5.2)."""
    found, content, _ = passed(head + b"\r\nabc", ends=True)
    assert found.split(b"\r\n") == [*lines, b"Connection: close"]
    assert content == b"abc"


def test_the_same_length_twice_is_one() -> None:
    """Some sites send their length twice."""
    data = OK + b"Content-Length: 1, 1\r\nContent-Length: 1\r\n\r\nx"
    assert passed(data)[0] == OK + b"Content-Length: 1"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Content-Length: 1, 2\r\n",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: +1\r\n",
        b"Content-Length: 0x1\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 1\r\n\t2\r\n",
        b"Content-Length : 1\r\nContent-Length: 2\r\n",
        b"Content-Length: " + b"9" * 19 + b"\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ],
)
def test_a_doubtful_length_is_refused(fields: bytes) -> None:
    """Two lengths, or none that every parser reads alike, could hide another answer."""
    assert fault(OK + fields + b"\r\n") is ResponseFault.NOT_HTTP


def test_a_named_length_is_not_dropped() -> None:
    """`Connection` cannot take a length away."""
    head, content, _ = passed(OK + b"Connection: content-length\r\nContent-Length: 1\r\n\r\nxy")
    assert (head, content) == (OK + b"Content-Length: 1", b"x")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"<html>",
        b"H\0",
        b"HTTQ",
        b"\x16\x03\x01",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"HTTP/x 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Unasked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_not_http(data: bytes) -> None:
    """It is refused as soon as it can be told, because its end may never come."""
    assert fault(data) is ResponseFault.NOT_HTTP


def test_head_limit() -> None:
    """A head of exactly the limit passes, and one more byte is refused."""
    empty = OK + b"X: \r\nContent-Length: 0\r\n\r\n"
    room = PROXY_RESPONSE_HEAD_BYTES - len(empty)
    response = HttpResponse(GET)
    response.receive(empty.replace(b"X: ", b"X: " + b"a" * room), closes=False)
    assert response.complete
    large = empty.replace(b"X: ", b"X: " + b"a" * (room + 1))
    assert fault(large) is ResponseFault.HEAD_TOO_LARGE


@pytest.mark.parametrize(
    ("data", "begun"),
    [
        (b"", False),
        (OK, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (OK + b"Content-Length: 2\r\n\r\nx", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", True),
    ],
)
def test_an_early_end(data: bytes, begun: bool) -> None:
    """An answer that ends too early is incomplete, whether or not it has begun."""
    response = HttpResponse(GET)
    response.receive(data, closes=False)
    with pytest.raises(BadResponse) as caught:
        response.receive_end()
    assert caught.value.fault is ResponseFault.INCOMPLETE
    assert response.begun is begun


FRAGMENTS = st.sampled_from(
    [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"3\r\nabc\r\n0\r\n\r\n",
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=6), max_size=10).map(b"".join), st.data())
def test_any_bytes_in_any_chunking(data: bytes, draw: st.DataObject) -> None:
    """Any bytes lead to the same outcome however they are cut."""

    def outcome(chunks: list[bytes]) -> object:
        response = HttpResponse(OLD)  # for it, chunks are not made anew, which depends on the cut
        try:
            out = receive_all(response, chunks)
        except BadResponse as error:
            return error.fault
        return response.begun, response.complete, out

    assert outcome(draw.draw(cut(data))) == outcome([data]) == outcome(trickle(data))
