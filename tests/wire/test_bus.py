import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.nat.classifier import NatClass
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import bus
from passerelle.wire.bus import (
    BrokerTotals,
    BusClientProfile,
    Complaint,
    ExitLoad,
    LinkOutcome,
    Message,
    OfferPlaced,
    PlaceOffer,
    Subjects,
)
from passerelle.wire.rendezvous import Answer, Miss
from tests.broker.parties import offer

WHO = BusClientProfile(NatClass.RESTRICTED, b"\xc0\x00\x02", "DE", 64496, b"key", 16, False)
MESSAGES: list[Message] = [
    PlaceOffer("one", offer(), WHO, 3, (b"handle-1", b"handle-2"), 4.5),
    OfferPlaced(Miss.NO_ANSWER),
    OfferPlaced(Answer(offer(), b"handle-1", ("ticket",))),
    Complaint(WHO, b"handle-1"),
    LinkOutcome("one", bytes(16), True, 1, 2, 3.0, 4.0, 0.1, LinkCode.DRAINING),
    ExitLoad("one", 1, 2, 3, True),
    BrokerTotals("broker-1", 3, 2, {"DE": 1}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_said_is_heard(message: Message) -> None:
    assert bus.decode(bus.encode(message), type(message)) == message


@pytest.mark.parametrize("kind", dict.fromkeys(map(type, MESSAGES)), ids=lambda kind: kind.__name__)
@given(data=st.binary(max_size=200))
def test_garbage_is_malformed(kind: type[Message], data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert isinstance(bus.decode(data, kind), kind)


@pytest.mark.parametrize(
    "message",
    [
        ExitLoad("One!", 1, 2, 3),
        ExitLoad("one", -1, 2, 3),
        LinkOutcome("one", bytes(15), True, 1, 2, 3.0, 4.0, 0.1, LinkCode.NORMAL),
        Complaint(WHO, b"short"),
        BrokerTotals("b", 1, 1, {}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_values_out_of_range_are_malformed(message: Message) -> None:
    with pytest.raises(PeerError):
        bus.decode(bus.encode(message), type(message))


def test_people_are_not_in_representations() -> None:
    for message in MESSAGES[:1] + MESSAGES[3:5]:
        assert "\\xc0" not in repr(message)
        assert "ufrag" not in repr(message)
    assert "withheld" in repr(WHO)


def test_networks_do_not_hear_each_other() -> None:
    one, other = (Subjects(Ed25519PrivateKey.generate().public_key()) for _ in range(2))
    assert one.link != other.link
    assert one.place(NatClass.OPEN) != one.place(NatClass.UNKNOWN)
    assert one.place(NatClass.OPEN).startswith("passerelle.1.")
