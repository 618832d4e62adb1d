import contextlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits, serverlimits
from passerelle.core.nat.classifier import NatClass
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import bus
from passerelle.wire.bus import (
    BrokerTotals,
    BusClientProfile,
    BusHour,
    Complaint,
    CountsAnswer,
    CountsQuestion,
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
PLACE = PlaceOffer("one", offer(), WHO, 3, (b"handle-1", b"handle-2"), 4.5)
OUTCOME = LinkOutcome("one", bytes(16), True, 1, 2, 3.0, 4.0, 0.1, LinkCode.DRAINING)
LOAD = ExitLoad("one", 1_800_000_000.5, 1, 2, 3, True)
TOTALS = BrokerTotals("broker-1", 3, 2, {"DE": 1})
QUESTION = CountsQuestion("broker-1", bytes(16), "https://news.example")
COUNTS = CountsAnswer("broker-1", bytes(16), 1, (BusHour(500_000, 1, 2, 3),), {"DE": 1}, 2)
MESSAGES: list[Message] = [
    PLACE,
    OfferPlaced(Miss.NO_ANSWER),
    OfferPlaced(Answer(offer(), b"handle-1", ("ticket",))),
    Complaint("broker-1", WHO, b"handle-1"),
    OUTCOME,
    LOAD,
    TOTALS,
    QUESTION,
    COUNTS,
]
INFINITE = (float("inf"), float("nan"), -1.0)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_said_is_heard(message: Message) -> None:
    assert bus.decode(bus.encode(message), type(message)) == message


@pytest.mark.parametrize("kind", dict.fromkeys(map(type, MESSAGES)), ids=lambda kind: kind.__name__)
@given(data=st.binary(max_size=200))
def test_garbage_is_malformed(kind: type[Message], data: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert isinstance(bus.decode(data, kind), kind)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        *((OUTCOME, {"duration_s": value}) for value in INFINITE),
        *((OUTCOME, {"rate_bytes_s": value}) for value in INFINITE),
        *((OUTCOME, {"rtt_s": value}) for value in INFINITE),
        *((LOAD, {"time_s": value}) for value in INFINITE),
        *((PLACE, {"left_s": value}) for value in (*INFINITE, 0.0, serverlimits.BUS_PLACE_S + 1)),
        (OUTCOME, {"ticket_id": bytes(15)}),
        (OUTCOME, {"sent_bytes": serverlimits.BUS_LINK_BYTES + 1}),
        (LOAD, {"exit_id": "One!"}),
        (LOAD, {"sessions": -1}),
        (LOAD, {"links": serverlimits.BUS_COUNT + 1}),
        (Complaint("broker-1", WHO, b"handle-1"), {"volunteer": b"short"}),
        (TOTALS, {"broker": "b"}),
        (TOTALS, {"volunteers": serverlimits.BUS_COUNT + 1}),
        (TOTALS, {"countries": {"<b": 1}}),
        (TOTALS, {"countries": {"DE": -1}}),
        (QUESTION, {"number": bytes(15)}),
        (QUESTION, {"publisher": "a" * (serverlimits.PAGE_ORIGIN_CHARS + 1)}),
        (COUNTS, {"volunteers": -1}),
        (COUNTS, {"hours": COUNTS.hours * (serverlimits.COUNTED_HOURS + 1)}),
        (COUNTS, {"hours": (BusHour(2**32, 1, 2, 3),)}),
        (COUNTS, {"countries": {"DE": serverlimits.BUS_COUNT + 1}}),
        (PLACE, {"lanes": limits.LANES}),
        (PLACE, {"avoid": (b"handle-1",) * (serverlimits.BUS_AVOIDED + 1)}),
        (PLACE, {"who": msgspec.structs.replace(WHO, country="de")}),
        (PLACE, {"who": msgspec.structs.replace(WHO, site=bytes(7))}),
        (PLACE, {"who": msgspec.structs.replace(WHO, asn=-1)}),
        (PLACE, {"who": msgspec.structs.replace(WHO, key=None)}),
        (PLACE, {"who": msgspec.structs.replace(WHO, most=limits.TOKEN_VOLUNTEERS + 1)}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else str(value),
)
def test_values_out_of_range_are_malformed(message: Message, changes: dict[str, Any]) -> None:
    """Every number is bounded on both sides, so it is finite, and every text has a form."""
    forged = msgspec.structs.replace(message, **changes)
    with pytest.raises(PeerError):
        bus.decode(bus.encode(forged), type(message))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_trails_is_malformed(message: Message) -> None:
    """Neither a further field, which would be kept, nor bytes after the message."""
    fields = msgspec.msgpack.decode(bus.encode(message))
    with pytest.raises(PeerError):
        bus.decode(msgspec.msgpack.encode([*fields, bytes(900_000)]), type(message))
    with pytest.raises(PeerError):
        bus.decode(bus.encode(message) + b"x", type(message))


def test_the_longest_messages_fit() -> None:
    """The bound on a message's length leaves every honest one through."""
    codes = [first + second for first in "ABCDEFGHIJKL" for second in "ABCDEFGHIJKLMNOPQRSTUVWXY"]
    totals = BrokerTotals("b" * 64, 1 << 20, 1 << 20, dict.fromkeys(codes, 1 << 20))
    tickets = ("t" * limits.TICKET_BYTES,) * (limits.LANES - 1)
    place = msgspec.structs.replace(PLACE, avoid=(bytes(8),) * serverlimits.BUS_AVOIDED)
    for message in (totals, place, OfferPlaced(Answer(offer(), bytes(8), tickets))):
        assert bus.decode(bus.encode(message), type(message)) == message
        assert len(bus.encode(message)) <= serverlimits.BUS_MESSAGE_BYTES / 2


def test_people_are_not_in_representations() -> None:
    for message in MESSAGES[:1] + MESSAGES[3:5]:
        assert "\\xc0" not in repr(message)
        assert "ufrag" not in repr(message)
    assert "withheld" in repr(WHO)


def test_networks_do_not_hear_each_other() -> None:
    one, other = (Subjects(Ed25519PrivateKey.generate().public_key()) for _ in range(2))
    assert one.link != other.link
    assert one.place(NatClass.OPEN) != one.place(NatClass.UNKNOWN)
    assert one.place(NatClass.OPEN).startswith("passerelle.2.")


def test_the_longest_counts_fit_in_a_message() -> None:
    """A week of the highest counts and all countries is short enough, with its seal."""
    names = [f"{a}{b}" for a in "ABCDEFGHIJKL" for b in "ABCDEFGHIJKLMNOPQRSTUVWXY"]
    most, sent = serverlimits.BUS_COUNT, serverlimits.BUS_LINK_BYTES
    hour = BusHour(2**32 - 1, most, most, sent)
    longest = CountsAnswer(
        "b" * 64,
        bytes(16),
        most,
        (hour,) * serverlimits.COUNTED_HOURS,
        dict.fromkeys(names[: serverlimits.COUNTED_COUNTRIES], most),
        most,
    )
    assert len(longest.countries) == serverlimits.COUNTED_COUNTRIES
    assert len(bus.encode(longest)) + 100 < serverlimits.BUS_MESSAGE_BYTES
