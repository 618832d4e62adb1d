from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.protocol_detect import ProtocolDetector
from passerelle.core.localport.request import CloseConnection, Connect, Forward, Rejection, Send
from passerelle.errors import Failure
from tests.core.localport.chunks import cut, feed, trickle

SOCKS = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb"
TUNNEL = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n"
GET = b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "accepted", "refused"),
    [
        (SOCKS, b"\x05\x00", b"\x05\x05"),
        (TUNNEL, b"HTTP/1.1 200 ", b"HTTP/1.1 502 "),
        (GET, b"", b"HTTP/1.1 502 "),
        (b"\r\n" + GET, b"", b"HTTP/1.1 502 "),
    ],
)
def test_first_byte_tells(data: bytes, accepted: bytes, refused: bytes) -> None:
    """The first byte tells the protocol, and the answers are in that protocol."""
    front = ProtocolDetector()
    _, last, _ = feed(front, trickle(data))
    assert isinstance(last, Connect | Forward)
    assert last.host == "example.com"
    if accepted:
        assert front.accept().startswith(accepted)
    assert front.refuse(Failure.PORT_CLOSED).startswith(refused)


@pytest.mark.parametrize(
    "first", [b"\x04\x01\x00\x50", b"\x16\x03\x01", b"\0", b"\r\n\x05\x01\0", b" ", b"\xc0"]
)
def test_anything_else_is_closed(first: bytes) -> None:
    """SOCKS4, TLS and noise are closed without an answer, and so is SOCKS5 behind an empty line."""
    assert ProtocolDetector().receive(first) == [CloseConnection(Rejection.NOT_A_PROXY_REQUEST)]


def test_nothing_yet() -> None:
    """No bytes decide nothing, and before the first byte there is no answer to give."""
    front = ProtocolDetector()
    assert front.receive(b"") == []
    with pytest.raises(RuntimeError):
        front.accept()
    assert front.receive(b"\x05\x01\x00") == [Send(b"\x05\x00")]


@given(
    st.sampled_from([SOCKS, TUNNEL, GET, b""]),
    st.binary(max_size=20),
    st.integers(0, 70),
    st.data(),
)
def test_any_bytes_in_any_chunking(
    start: bytes, noise: bytes, at: int, draw: st.DataObject
) -> None:
    """Requests with noise in any place have the same outcome however they are cut."""
    data = start[:at] + noise + start[at:]
    assert feed(ProtocolDetector(), draw.draw(cut(data))) == feed(ProtocolDetector(), [data])
