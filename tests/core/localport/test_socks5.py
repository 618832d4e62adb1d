from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.login import Login
from passerelle.core.localport.request import Associate, CloseConnection, Connect, Effect, Rejection
from passerelle.core.localport.socks5 import ReplyCode, Socks5, reply
from passerelle.errors import Failure
from tests.core.localport.chunks import cut, feed, trickle

GREETING = b"\x05\x01\x00"
NAME = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"
CONNECT = Connect("example.com", 443)


def failed(code: int) -> bytes:
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("data", "sent", "last"),
    [
        (GREETING + NAME, b"\x05\x00", CONNECT),
        (b"\x05\x03\x02\x01\x00" + NAME, b"\x05\x00", CONNECT),
        (b"\x05\x01\x02" + b"\x01\x01u\x01p" + NAME, b"\x05\x02\x01\x00", CONNECT),
        (b"\x05\x02\x01\x02" + b"\x01\x00\x00" + NAME, b"\x05\x02\x01\x00", CONNECT),
        (
            GREETING + b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50",
            b"\x05\x00",
            Connect("1.2.3.4", 80),
        ),
        (
            GREETING + b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50",
            b"\x05\x00",
            Connect("::1", 80),
        ),
        (GREETING + b"\x05\x01\x00\x03\x05[::1]\x00\x50", b"\x05\x00", Connect("::1", 80)),
        (
            GREETING + b"\x05\x01\x00\x03\x09api-.a_.b\x00\x50",
            b"\x05\x00",
            Connect("api-.a_.b", 80),
        ),
        (
            GREETING + b"\x05\x01\x00\x03\x0fb\xc3\xbccher.example\x00\x50",
            b"\x05\x00",
            Connect("xn--bcher-kva.example", 80),
        ),
    ],
)
def test_request(data: bytes, sent: bytes, last: Effect) -> None:
    """A request is read with the bytes that follow it, whole or one byte at a time."""
    for chunks in ([data + b"early"], trickle(data + b"early")):
        assert feed(Socks5(), chunks) == (sent, last, b"early")


@pytest.mark.parametrize(
    ("data", "sent", "reason"),
    [
        (b"\x04", b"", Rejection.VERSION),
        (b"\x05\x00", b"\x05\xff", Rejection.AUTHENTICATION),
        (b"\x05\x02\x01\x80", b"\x05\xff", Rejection.AUTHENTICATION),
        (b"\x05\x01\x02\x05", b"\x05\x02\x01\x01", Rejection.AUTHENTICATION),
        (GREETING + b"\x04\x01\x00\x01", b"\x05\x00" + failed(1), Rejection.VERSION),
        (GREETING + b"\x05\x01\x00\x02", b"\x05\x00" + failed(8), Rejection.DESTINATION),
        (
            GREETING + b"\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50",
            b"\x05\x00" + failed(7),
            Rejection.COMMAND,
        ),
        (
            GREETING + b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00",
            b"\x05\x00" + failed(7),
            Rejection.COMMAND,
        ),
        (
            GREETING + b"\x05\x01\x00\x03\x05127.1\x00\x50",
            b"\x05\x00" + failed(4),
            Rejection.DESTINATION,
        ),
        (
            GREETING + b"\x05\x01\x00\x03\x00\x00\x50",
            b"\x05\x00" + failed(4),
            Rejection.DESTINATION,
        ),
        (
            GREETING + b"\x05\x01\x00\x03\x02\xc3\x28\x00\x50",
            b"\x05\x00" + failed(4),
            Rejection.DESTINATION,
        ),
        (
            GREETING + b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x00",
            b"\x05\x00" + failed(1),
            Rejection.DESTINATION,
        ),
    ],
)
def test_rejection(data: bytes, sent: bytes, reason: Rejection) -> None:
    """Each fault has its answer and its reason, and ends the handshake."""
    for chunks in ([data], trickle(data)):
        assert feed(Socks5(), chunks) == (sent, CloseConnection(reason), b"")


def test_a_login_is_demanded() -> None:
    """With a login only that name and password lead to a request, and "none" is not taken."""
    login = Login.parse("anna:correct horse")
    right = b"\x01\x04anna\x0dcorrect horse"
    for data, outcome in (
        (b"\x05\x02\x00\x02" + right + NAME, (b"\x05\x02\x01\x00", CONNECT, b"")),
        (GREETING, (b"\x05\xff", CloseConnection(Rejection.AUTHENTICATION), b"")),
        (
            b"\x05\x01\x02\x01\x04anna\x0dcorrect house",
            (b"\x05\x02\x01\x01", CloseConnection(Rejection.WRONG_LOGIN), b""),
        ),
        (
            b"\x05\x01\x02\x01\x00\x00",
            (b"\x05\x02\x01\x01", CloseConnection(Rejection.WRONG_LOGIN), b""),
        ),
    ):
        for chunks in ([data], trickle(data)):
            assert feed(Socks5(login), chunks) == outcome


@pytest.mark.parametrize(
    ("address", "port"),
    [
        (b"\x01\x00\x00\x00\x00\x00\x00", 0),
        (b"\x01\x7f\x00\x00\x01\x30\x39", 12345),
        (b"\x04" + bytes(16) + b"\x00\x07", 7),
        (b"\x03\x00\x00\x00", 0),
        (b"\x03\x09localhost\x00\x00", 0),
    ],
)
def test_udp_associate(address: bytes, port: int) -> None:
    """UDP ASSOCIATE takes any address, even a name; only the port that it names is used."""
    data = GREETING + b"\x05\x03\x00" + address
    for chunks in ([data], trickle(data)):
        assert feed(Socks5(), chunks) == (b"\x05\x00", Associate(port), b"")


def test_udp_associate_of_an_unknown_kind_is_refused() -> None:
    """UDP ASSOCIATE with an unknown address type is refused, as CONNECT is."""
    got = feed(Socks5(), [GREETING + b"\x05\x03\x00\x02\x00\x00"])
    assert got == (b"\x05\x00" + failed(8), CloseConnection(Rejection.DESTINATION), b"")


def test_answers_come_in_step() -> None:
    """Each message is answered at once, before the next one comes."""
    socks = Socks5()
    assert len(socks.receive(b"\x05\x01\x00")) == 1
    assert socks.receive(NAME[:-1]) == []
    assert socks.receive(NAME[-1:]) == [CONNECT]


def test_over_is_over() -> None:
    """After the last effect the handshake takes no bytes: they belong to the stream."""
    socks = Socks5()
    socks.receive(GREETING + NAME)
    with pytest.raises(RuntimeError):
        socks.receive(b"")


def test_replies() -> None:
    """Success and every failure have a reply of RFC 1928."""
    socks = Socks5()
    assert socks.accept() == failed(0)
    assert socks.refuse(Failure.POLICY) == failed(2)
    assert socks.refuse(Failure.UNREACHABLE) == failed(4)
    assert socks.refuse(Failure.PORT_CLOSED) == failed(5)
    assert socks.refuse(Failure.NO_VOLUNTEER) == failed(1)
    for failure in Failure:
        assert socks.refuse(failure)[1] in set(ReplyCode) - {ReplyCode.SUCCEEDED}
    assert reply(ReplyCode.TTL_EXPIRED) == failed(6)
    assert reply(ReplyCode.SUCCEEDED, ip_address("127.0.0.1"), 258) == b"\5\0\0\1\x7f\0\0\1\1\2"
    assert reply(ReplyCode.SUCCEEDED, ip_address("::1"), 1) == b"\5\0\0\4" + bytes(15) + b"\1\0\1"


PIECES = st.sampled_from(
    [GREETING, NAME, b"\x05\x01\x02", b"\x01\x01u\x01p", b"\x05\x01\x00\x01", b"\x05\x03"]
)


@given(st.lists(PIECES | st.binary(max_size=12), max_size=6).map(b"".join), st.data())
def test_any_bytes_in_any_chunking(data: bytes, draw: st.DataObject) -> None:
    """Any bytes lead to one of the declared outcomes, and to the same one however they are cut."""
    whole = feed(Socks5(), [data])
    assert whole[1] is None or isinstance(whole[1], Connect | Associate | CloseConnection)
    assert feed(Socks5(), draw.draw(cut(data))) == whole
    assert feed(Socks5(), trickle(data)) == whole
