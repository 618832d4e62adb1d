from __future__ import annotations

import pytest

from passerelle.core.localport.httpbody import Body, Framing, MalformedBody
from passerelle.core.localport.httpexchange import HttpExchange
from passerelle.core.localport.httpresponse import Asked, BadResponse, ResponseFault
from passerelle.errors import Failure, StreamFailed

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"


def exchange(length: int = 0, *, keeps: bool = True, upgrade: bytes = b"") -> HttpExchange:
    return HttpExchange(Asked(upgrade=upgrade), Body(Framing.LENGTH, length), keeps=keeps)


def test_one_after_the_other() -> None:
    """A complete answer to a complete request leaves the connection to the next one."""
    one = exchange(3)
    assert one.send(b"ab") == b"ab"
    assert not one.sent
    assert one.send(b"cGET") == b"c"
    assert one.sent
    assert one.rest == b"GET"
    assert one.receive(ANSWER) == ANSWER
    assert one.complete
    assert one.keeps_connection
    assert not one.cut_is_hidden


def test_an_application_that_wants_no_kept_connection() -> None:
    """It is told that the connection is closed."""
    one = exchange(keeps=False)
    assert b"\r\nConnection: close\r\n" in one.receive(ANSWER)
    assert not one.keeps_connection


def test_an_early_answer_closes() -> None:
    """An answer to a request that goes on says so, even if the request ends before the answer."""
    one = exchange(3)
    assert b"\r\nConnection: close\r\n" in one.receive(ANSWER[:-1])
    assert one.send(b"abc") == b"abc"
    assert one.receive(b"x") == b"x"
    assert one.complete
    assert not one.keeps_connection


def test_interim_answers_do_not_close() -> None:
    """After 100 the request goes on, and its connection may be kept."""
    one = exchange(3)
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert one.receive(interim) == interim
    one.send(b"abc")
    assert one.receive(ANSWER) == ANSWER
    assert one.keeps_connection


def test_an_end_may_hide_a_cut() -> None:
    """Only while the end of the connection is to come as the end of the answer."""
    one = exchange()
    assert not one.cut_is_hidden
    one.receive(b"HTTP/1.1 200 OK\r\n\r\nx")
    assert one.cut_is_hidden
    one.receive_end()
    assert one.complete
    assert not one.cut_is_hidden
    assert not one.keeps_connection


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StreamFailed(Failure.SESSION_LOST), b"502"),
        (StreamFailed(Failure.NO_VOLUNTEER), b"503"),
        (BadResponse(ResponseFault.NOT_HTTP), b"502"),
        (MalformedBody(), b"400"),
    ],
)
def test_errors_are_explained_while_nothing_has_begun(
    error: StreamFailed | BadResponse | MalformedBody, status: bytes
) -> None:
    """An application gets an answer in place of the site's, but never two heads."""
    one = exchange()
    assert one.explain(error).startswith(b"HTTP/1.1 " + status)
    one.receive(ANSWER[:-1])
    assert one.explain(error) == b""


def test_a_switch() -> None:
    """After 101 the exchange is over for HTTP."""
    one = exchange(upgrade=b"websocket")
    one.send(b"\x81\x00")
    assert one.receive(b"HTTP/1.1 101 Go\r\n\r\n\x82\x00").endswith(b"\x82\x00")
    assert one.switched
    assert one.rest == b"\x81\x00"


def test_malformed_content() -> None:
    """A request whose chunks are no chunks is an error."""
    one = HttpExchange(Asked(), Body(Framing.CHUNKED), keeps=True)
    with pytest.raises(MalformedBody):
        one.send(b"xyz\r\n")
