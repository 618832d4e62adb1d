from __future__ import annotations

import json
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import signalling
from passerelle.wire.description import Description, Setup
from tests.wire.outcome import refusal
from tests.wire.strategies import FROM_BROKER, FROM_VOLUNTEER, JSON_VALUES, LINE_ENDS

DECODERS = [signalling.decode_from_volunteer, signalling.decode_from_broker]
OFFER = signalling.BrokerOffer(
    1, "exit-1", "SECRET", Description("abcd", "p" * 22, bytes(32), Setup.ACTPASS)
)


@given(FROM_VOLUNTEER)
def test_volunteer_messages_round_trip(message: signalling.FromVolunteer) -> None:
    """Everything a volunteer says comes back the same, from text and from bytes."""
    text = signalling.encode(message)
    assert signalling.decode_from_volunteer(text) == message
    assert signalling.decode_from_volunteer(text.encode()) == message


@given(FROM_BROKER)
def test_broker_messages_round_trip(message: signalling.FromBroker) -> None:
    """Everything a broker says comes back the same."""
    assert signalling.decode_from_broker(signalling.encode(message)) == message


def test_byte_strings_are_standard_base64() -> None:
    """A fingerprint is written as a browser's btoa() writes it."""
    assert json.loads(signalling.encode(OFFER))["description"]["fingerprint"] == "A" * 43 + "="


@given(st.binary(max_size=200) | st.text(max_size=200) | JSON_VALUES.map(json.dumps))
def test_garbage_gives_only_peer_errors(text: str | bytes) -> None:
    """No input does anything but parse or raise PeerError."""
    for decode in DECODERS:
        assert refusal(partial(decode, text)) in (None, LinkCode.MALFORMED)


@given(
    st.sampled_from(["hello", "ready", "answer", "decline", "welcome", "offer", "bye"]),
    st.dictionaries(
        st.sampled_from(
            ["version", "software", "free", "offer", "description", "reason", "exit", "ticket"]
        ),
        JSON_VALUES,
    ),
)
def test_garbage_fields_give_only_peer_errors(kind: str, fields: dict[str, object]) -> None:
    """Known types with wrong fields parse or raise PeerError."""
    text = json.dumps({"type": kind, **fields})
    for decode in DECODERS:
        assert refusal(partial(decode, text)) in (None, LinkCode.MALFORMED)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"type":1,"sdp":{}}',
        '{"type":"hello"}',
        '{"type":"welcome","country":"<b>"}',
        "[" * 5000,
        '{"type":"answer","offer":1,"description":' + "[" * 5000,
        "\ud800",
        b"\xff",
    ],
)
def test_malformed_messages(decode: object, text: str | bytes) -> None:
    """Shapes that crashed other programs are `malformed`, and the error does not quote them."""
    assert callable(decode)
    with pytest.raises(PeerError, match="a malformed signalling message") as caught:
        decode(text)
    assert caught.value.code is LinkCode.MALFORMED


@pytest.mark.parametrize("decode", DECODERS)
def test_length_is_limited(decode: object) -> None:
    """A message beyond the limit is refused before it is parsed."""
    assert callable(decode)
    with pytest.raises(PeerError) as caught:
        decode(" " * (limits.SIGNAL_MESSAGE_BYTES + 1))
    assert caught.value.code is LinkCode.LIMIT
    with pytest.raises(PeerError) as caught:
        decode(" " * limits.SIGNAL_MESSAGE_BYTES)
    assert caught.value.code is LinkCode.MALFORMED


@pytest.mark.parametrize("end", LINE_ENDS)
def test_exit_ids_are_names_only(end: str) -> None:
    """An exit's name cannot hold a line end, a URL or an address."""
    value = msgspec.json.decode(signalling.encode(OFFER))
    for exit_id in ("exit-1" + end, "", "a" * 33, "wss://evil.example", "192.0.2.1", "Exit"):
        with pytest.raises(PeerError):
            signalling.decode_from_broker(json.dumps({**value, "exit": exit_id}))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello", "version": 1, "software": "x" * 65, "free": 1},
        {"type": "hello", "version": 2**16, "software": "", "free": 1},
        {"type": "hello", "version": 1, "software": "", "free": 65},
        {"type": "ready", "free": -1},
        {"type": "decline", "offer": 2**31, "reason": "busy"},
        {"type": "decline", "offer": 1, "reason": "tired"},
        {"type": "ready", "free": 1, "extra": 1},
    ],
)
def test_volunteer_fields_are_limited(message: dict[str, object]) -> None:
    """Each limit of a volunteer's messages holds on its own."""
    with pytest.raises(PeerError):
        signalling.decode_from_volunteer(json.dumps(message))


def test_what_a_later_broker_adds_is_ignored() -> None:
    """A pinned switch goes on with a newer broker, and ignores the fields it adds."""
    later = {**msgspec.json.decode(signalling.encode(OFFER)), "url": "wss://evil.example/"}
    assert signalling.decode_from_broker(json.dumps(later)) == OFFER


def test_ticket_length_is_limited() -> None:
    """An offer's ticket may be as long as the limit says, not longer."""
    value = msgspec.json.decode(signalling.encode(OFFER))
    most = json.dumps({**value, "ticket": "t" * limits.TICKET_BYTES})
    assert isinstance(signalling.decode_from_broker(most), signalling.BrokerOffer)
    with pytest.raises(PeerError):
        signalling.decode_from_broker(
            json.dumps({**value, "ticket": "t" * (limits.TICKET_BYTES + 1)})
        )


def test_the_largest_offer_fits_a_message() -> None:
    """The limits agree with each other: a full offer is within the message's limit."""
    candidate = ["srflx", "2001:db8:1111:2222:3333:4444:5555:6666", 65535]
    value = msgspec.json.decode(signalling.encode(OFFER))
    value["ticket"] = "t" * limits.TICKET_BYTES
    value["description"] |= {
        "ufrag": "u" * 64,
        "pwd": "p" * 64,
        "candidates": [candidate] * limits.CANDIDATES,
    }
    assert isinstance(signalling.decode_from_broker(json.dumps(value)), signalling.BrokerOffer)


def test_repr_of_an_offer_withholds_its_ticket() -> None:
    """Tickets stay out of logs."""
    assert "SECRET" not in repr(OFFER)
