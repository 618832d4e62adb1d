from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.wire import base64url


@given(st.binary(max_size=200))
def test_round_trip(data: bytes) -> None:
    """Every byte string has one text, without padding, and comes back."""
    text = base64url.encode(data)
    assert "=" not in text
    assert base64url.decode(text) == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")


@given(st.text(max_size=50))
def test_any_text_decodes_or_is_a_value_error(text: str) -> None:
    """What decodes is exactly what encodes back; everything else is ValueError."""
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text


@pytest.mark.parametrize("text", ["A", "AA=", "AA==", "AB", "+/+/", "AA\n", " AA", "é", "A-_$"])
def test_only_the_canonical_text_is_taken(text: str) -> None:
    """Padding, the other alphabet, stray bits and stray characters are all refused."""
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
