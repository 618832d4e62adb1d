from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import binaryhttp
from passerelle.wire.binaryhttp import Content, Decoder, Event, Head, Request, Trailers
from tests.vectors.sealed import RFC9292_REQUEST
from tests.wire.outcome import refusal

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "binary_http.json").read_text(encoding="ascii")
)
MESSAGES = [
    (bytes.fromhex(case["message"]), kind == "requests")
    for kind in ("requests", "answers")
    for case in VECTORS[kind]
]

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40
).map(lambda text: text.strip(" ").encode("latin-1"))
FIELDS = st.lists(st.tuples(TOKENS.map(str.encode), VALUES), max_size=8).map(tuple)
REQUESTS = st.builds(
    Request,
    st.sampled_from(["GET", "POST", "x"]),
    st.sampled_from(["https", "http"]),
    st.sampled_from(["news.example", "news.example:8443", ""]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60).map("/".__add__),
    FIELDS,
    st.binary(max_size=300),
    FIELDS,
)


def read(message: bytes, *, request: bool, step: int) -> list[Event]:
    """Return the events of a message that arrives in chunks of `step` bytes, content joined."""
    decoder = Decoder(request=request)
    events: list[Event] = []
    for at in range(0, len(message), step):
        events += decoder.receive(message[at : at + step])
    events += decoder.end()
    content = b"".join(each.data for each in events if isinstance(each, Content))
    others = [each for each in events if not isinstance(each, Content)]
    return [others[0], Content(content), *others[1:]]


def test_a_request_of_the_rfc_is_read_and_written() -> None:
    """The example of RFC 9292 §5.1 means what it says there, and is written as it was."""
    message = bytes.fromhex(RFC9292_REQUEST)
    request = binaryhttp.decode_request(message)
    assert (request.method, request.scheme, request.authority) == ("GET", "https", "")
    assert request.path == "/hello.txt"
    assert request.fields[1:] == ((b"host", b"www.example.com"), (b"accept-language", b"en, mi"))
    assert binaryhttp.encode_request(request) == message


@pytest.mark.parametrize(("message", "is_request"), MESSAGES)
def test_the_size_of_chunks_changes_nothing(message: bytes, is_request: bool) -> None:
    """A message that arrives byte by byte is read, or refused, as a whole one is."""
    whole = refusal(lambda: read(message, request=is_request, step=len(message) or 1))
    assert refusal(lambda: read(message, request=is_request, step=1)) == whole
    if whole is None:
        ends = [read(message, request=is_request, step=step) for step in (1, 7, len(message))]
        assert ends[0] == ends[1] == ends[2]


@given(REQUESTS, st.integers(1, 50), st.booleans())
def test_requests_come_back(request: Request, step: int, padded: bool) -> None:
    """Any request is read as it was written, padded or not, in chunks of any size."""
    message = binaryhttp.encode_request(request)
    if padded:
        message = binaryhttp.pad(message)
        assert len(message) % binaryhttp.LEAST_REQUEST_BYTES == 0
    assert binaryhttp.decode_request(message) == request
    head, content, trailers = read(message, request=True, step=step)
    assert isinstance(head, Request)
    assert (head.fields, content) == (request.fields, Content(request.content))
    assert trailers == Trailers(request.trailers)


@given(st.integers(200, 599), FIELDS, st.lists(st.binary(max_size=90)), st.integers(1, 40))
def test_answers_come_back(
    status: int, fields: binaryhttp.Fields, pieces: list[bytes], step: int
) -> None:
    """An answer of any length is read as it was written, in chunks of any size."""
    parts = (binaryhttp.encode_head(status, fields), *map(binaryhttp.encode_content, pieces))
    message = b"".join(parts) + binaryhttp.END
    assert read(message, request=False, step=step) == [
        Head(status, fields),
        Content(b"".join(pieces)),
        Trailers(()),
    ]


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([b"", b"\x00", b"\x02", b"\x03"]))
def test_garbage_is_read_or_refused(data: bytes, is_request: bool, first: bytes) -> None:
    """No bytes raise anything but the declared error."""
    code = refusal(lambda: read(first + data, request=is_request, step=9))
    assert code in {None, LinkCode.MALFORMED, LinkCode.LIMIT}


@given(REQUESTS, st.data())
def test_a_changed_byte_harms_nothing(request: Request, data: st.DataObject) -> None:
    """A request with one byte changed is another request, or refused."""
    message = bytearray(binaryhttp.encode_request(request))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    code = refusal(lambda: binaryhttp.decode_request(bytes(message)))
    assert code in {None, LinkCode.MALFORMED, LinkCode.LIMIT}


def _endless(line: bytes) -> LinkCode | None:
    """Send one field for ever; return what it is refused with before it fills the memory."""
    decoder = Decoder(request=False)
    decoder.receive(b"\x03\x40\xc8")
    for _ in range(100_000):
        try:
            decoder.receive(line)
        except PeerError as error:
            return error.code
        assert len(decoder._buffer) < 2 * limits.MESSAGE_FIELDS_BYTES
    return None


@pytest.mark.parametrize(
    "line",
    [b"\x01a\x00", b"\x01a" + b"\x80\x00\x7f\xff" + b"b" * 0x7FFF, b"\x7f\xff", b"\xff" * 8],
    ids=["many", "long", "name", "length"],
)
def test_fields_have_a_bound(line: bytes) -> None:
    """Fields that never end are refused, many short ones and few long ones alike."""
    assert _endless(line) is LinkCode.LIMIT


def test_informational_responses_are_skipped_for_ever() -> None:
    """A server that sends them without end fills no memory."""
    decoder = Decoder(request=False)
    decoder.receive(b"\x03")
    for _ in range(1000):
        assert decoder.receive(b"\x40\x67\x01a\x01b\x00") == []
    assert decoder.receive(b"\x40\xc8\x00") == [Head(200, ())]
    assert not decoder._buffer


def test_a_request_does_not_show_itself() -> None:
    """No path gets into a log by accident."""
    assert "secret" not in repr(Request("GET", "https", "secret.example", "/secret"))
