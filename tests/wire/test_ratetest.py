from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import ratetest
from passerelle.wire.ratetest import Down, Got


@pytest.mark.parametrize("message", [Down(0), Got(5), Down(limits.RATE_TEST_BYTES)])
def test_what_is_said_is_read(message: ratetest.RateMessage) -> None:
    assert ratetest.decode(ratetest.encode(message)) == message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", LinkCode.MALFORMED),
        ("[]", LinkCode.MALFORMED),
        ("[" * 100, LinkCode.MALFORMED),
        ('{"type":"up","bytes":1}', LinkCode.MALFORMED),
        ('{"type":"down"}', LinkCode.MALFORMED),
        ('{"type":"down","bytes":-1}', LinkCode.MALFORMED),
        ('{"type":"down","bytes":1.5}', LinkCode.MALFORMED),
        ('{"type":"down","bytes":2000001}', LinkCode.MALFORMED),
        ('{"type":"got","bytes":1,"more":1}', LinkCode.MALFORMED),
        (" " * 129, LinkCode.LIMIT),
    ],
)
def test_other_texts_are_refused(text: str, code: LinkCode) -> None:
    with pytest.raises(PeerError) as caught:
        ratetest.decode(text)
    assert caught.value.code is code


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PeerError):
        ratetest.decode(text)


def test_more_may_be_under_way_the_more_has_arrived() -> None:
    assert ratetest.allowance(0) == limits.RATE_TEST_AHEAD_BYTES
    assert ratetest.allowance(1_000_000) == limits.RATE_TEST_AHEAD_BYTES + 250_000
