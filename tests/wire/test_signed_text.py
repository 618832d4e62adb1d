from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.wire import signed_text

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = (OTHER.public_key(), KEY.public_key())


@given(st.binary(max_size=200))
def test_round_trip(payload: bytes) -> None:
    assert signed_text.read(signed_text.sign(payload, KEY, b"a "), KEYS, b"a ") == payload


def test_another_key_or_context_is_nothing() -> None:
    text = signed_text.sign(b"x", KEY, b"a ")
    assert signed_text.read(text, KEYS[:1], b"a ") is None
    assert signed_text.read(text, (), b"a ") is None
    assert signed_text.read(text, KEYS, b"b ") is None


@given(st.text(max_size=200))
def test_other_texts_are_nothing(text: str) -> None:
    assert signed_text.read(text, KEYS, b"a ") is None


def test_a_text_too_long_is_not_read() -> None:
    assert (
        signed_text.read(signed_text.sign(bytes(limits.TICKET_BYTES), KEY, b"a "), KEYS, b"a ")
        is None
    )
