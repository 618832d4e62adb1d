from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import base64url, tickets
from passerelle.wire.tickets import Ticket, TicketKind
from tests.wire.strategies import TICKETS

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
KEYS = (OTHER.public_key(), KEY.public_key())
TICKET = Ticket(TicketKind.LINK, "exit-1", 1000, b"i" * 16)


def verify(
    text: str, *, kind: TicketKind = TicketKind.LINK, exit_id: str = "exit-1", now_s: float = 999
) -> Ticket:
    return tickets.verify(text, KEYS, kind=kind, exit_id=exit_id, now_s=now_s)


def refused(text: str, **wanted: object) -> None:
    with pytest.raises(PeerError, match="no valid ticket") as caught:
        verify(text, **wanted)  # type: ignore[arg-type]
    assert caught.value.code is LinkCode.TICKET


@given(TICKETS)
def test_round_trip(ticket: Ticket) -> None:
    """A signed ticket is good for its kind and exit until the second it names."""
    text = tickets.sign(ticket, KEY)
    assert len(text) <= limits.TICKET_BYTES
    found = tickets.verify(
        text, KEYS, kind=ticket.kind, exit_id=ticket.exit, now_s=ticket.expires_s
    )
    assert found == ticket


def test_a_ticket_of_an_older_broker_is_good_and_has_no_tags() -> None:
    """It ends with the id."""
    payload = msgspec.msgpack.encode(["client", "exit-1", 1000, b"i" * 16])
    text = base64url.encode(payload + KEY.sign(b"passerelle ticket 1 " + payload))
    assert verify(text, kind=TicketKind.CLIENT).tags == b""


def test_a_ticket_is_for_one_kind_one_exit_and_a_time() -> None:
    """A ticket is refused for another kind, another exit, or after its time."""
    text = tickets.sign(TICKET, KEY)
    assert verify(text, now_s=1000) == TICKET
    refused(text, kind=TicketKind.CLIENT)
    refused(text, exit_id="exit-2")
    refused(text, now_s=1000.5)


def test_only_named_keys_count() -> None:
    """A signature that none of the given keys made is refused."""
    refused(tickets.sign(TICKET, Ed25519PrivateKey.generate()))
    with pytest.raises(PeerError):
        tickets.verify(
            tickets.sign(TICKET, KEY), (), kind=TicketKind.LINK, exit_id="exit-1", now_s=0
        )


def test_any_flipped_bit_is_refused() -> None:
    """Every byte is covered by the signature or is the signature."""
    signed = base64url.decode(tickets.sign(TICKET, KEY))
    for position in range(len(signed)):
        damaged = bytearray(signed)
        damaged[position] ^= 1
        refused(base64url.encode(bytes(damaged)))


def test_a_signature_of_something_else_is_no_ticket() -> None:
    """The context string keeps other documents signed by the same key from being tickets."""
    payload = msgspec.msgpack.encode(TICKET)
    refused(base64url.encode(payload + KEY.sign(payload)))


@pytest.mark.parametrize(
    "payload", [b"", b"\x90", b"\xc1", msgspec.msgpack.encode(["link", "Exit", 1, b"i" * 16])]
)
def test_signed_nonsense_is_refused(payload: bytes) -> None:
    """A payload of the wrong form is refused even if the right key signed it."""
    refused(base64url.encode(payload + KEY.sign(b"passerelle ticket 1 " + payload)))


@given(st.text(max_size=300) | st.binary(max_size=200).map(base64url.encode))
def test_garbage_is_refused(text: str) -> None:
    """No text raises anything but the one refusal."""
    refused(text)


def test_length_is_limited() -> None:
    """Text beyond the limit is not even decoded."""
    refused("A" * (limits.TICKET_BYTES + 1))
    refused("A" * limits.TICKET_BYTES)


def test_repr_withholds_the_ticket() -> None:
    """No id is in the `repr`, because an id in a log could tie two links together."""
    assert repr(TICKET) == "<link ticket withheld>"
