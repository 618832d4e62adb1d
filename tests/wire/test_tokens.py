import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle import limits
from passerelle.wire import signed_text, tickets, tokens
from passerelle.wire.tickets import Ticket, TicketKind
from passerelle.wire.tokens import Token

KEY = Ed25519PrivateKey.generate()
KEYS = (KEY.public_key(),)
TOKEN = Token(b"i" * 16, 1000, 64)


def test_a_token_is_good_until_the_second_it_names() -> None:
    text = tokens.sign(TOKEN, KEY)
    assert tokens.read(text, KEYS, now_s=1000) == TOKEN
    assert tokens.read(text, KEYS, now_s=1000.5) is None
    assert tokens.read(text, (), now_s=0) is None
    assert "iii" not in repr(TOKEN)


def test_a_ticket_is_no_token() -> None:
    text = tickets.sign(Ticket(TicketKind.CLIENT, "one", 1000, b"i" * 16), KEY)
    assert tokens.read(text, KEYS, now_s=0) is None


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x93\x01\x02\x03", tokens._encoder.encode([b"i" * 16, 1, 0])]
)
def test_a_well_signed_nonsense_is_no_token(payload: bytes) -> None:
    text = signed_text.sign(payload, KEY, b"passerelle token 1 ")
    assert tokens.read(text, KEYS, now_s=0) is None


def test_a_token_allows_a_limited_number() -> None:
    text = tokens.sign(Token(b"i" * 16, 1000, limits.TOKEN_VOLUNTEERS + 1), KEY)
    assert tokens.read(text, KEYS, now_s=0) is None
