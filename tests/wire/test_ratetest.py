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


AHEAD = limits.RATE_TEST_AHEAD_BYTES


@pytest.mark.parametrize(
    ("got", "elapsed_s", "bytes_"),
    [
        (0, 0.0, AHEAD),
        (0, 1.0, AHEAD),
        # Twice as much as a round trip before.
        (AHEAD, 0.3, 2 * AHEAD),
        (3 * AHEAD, 0.6, 4 * AHEAD),
        # A second's worth of a slow line.
        (500_000, 1.0, 500_000),
        (500_000, 2.0, 250_000),
        # A quarter of what arrived, from lines that carry less than that in a second.
        (60_000, 1.5, AHEAD + 15_000),
        (1_000_000, 8.0, AHEAD + 250_000),
    ],
)
def test_more_may_be_under_way_the_more_has_arrived(
    got: int, elapsed_s: float, bytes_: int
) -> None:
    """`ratemeter.test.ts` has the same cases."""
    assert ratetest.allowance(got, elapsed_s) == bytes_
