from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.gateway.freshness import age_s, fresh_s, may_share, selecting
from passerelle.wire.binaryhttp import Fields, Request

DATE = (b"date", b"Sat, 28 Nov 2026 12:00:00 GMT")
COOKIE: Fields = ((b"cookie", b"a=b"),)


def control(value: str, *more: tuple[bytes, bytes]) -> Fields:
    return ((b"cache-control", value.encode()), *more)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ((), 0),
        (((b"last-modified", DATE[1]), DATE), 0),
        (((b"etag", b'"x"'),), 0),
        (control("max-age=60"), 60),
        (control("Max-Age=60"), 60),
        (control('max-age="60"'), 60),
        (control("public, max-age=60, stale-while-revalidate=30"), 60),
        (control("max-age=60, s-maxage=5"), 5),
        (control("s-maxage=0, max-age=60"), 0),
        (control("max-age=60", (b"age", b"20")), 40),
        (control("max-age=60", (b"age", b"80")), 0),
        (control("max-age=60", (b"cache-control", b"public")), 60),
        (control("max-age=60, max-age=90"), 0),
        (control("max-age=-1"), 0),
        (control("max-age=1e9"), 0),
        (control("max-age"), 0),
        (control("max-age=99999999999"), 365 * 86_400),
        (control("max-age=60, private"), 0),
        (control('max-age=60, private="x-field"'), 0),
        (control("max-age=60, no-store"), 0),
        (control('no-cache="set-cookie", max-age=60'), 0),
        (control("max-age=60, NO-CACHE"), 0),
        (control('x="no-store, private", max-age=60'), 60),
        (control("max-age=60", (b"set-cookie", b"a=b")), 0),
        (control("max-age=60", (b"vary", b"accept, *")), 0),
        (control("max-age=60", (b"vary", b"accept")), 60),
        (((b"expires", b"Sat, 28 Nov 2026 12:01:00 GMT"), DATE), 60),
        (((b"expires", b"Sat, 28 Nov 2026 11:00:00 GMT"), DATE), 0),
        (((b"expires", b"0"), DATE), 0),
        (((b"expires", b"Sat, 28 Nov 2026 12:01:00 GMT"),), 0),
        (((b"expires", b"Sat, 28 Nov 2026 12:01:00 GMT"), DATE, DATE), 0),
        (control("max-age=5", (b"expires", b"Sat, 28 Nov 2026 12:01:00 GMT"), DATE), 5),
    ],
)
def test_lives_of_answers(fields: Fields, seconds: float) -> None:
    """An answer may be given to others for as long as the site said in words, and not longer."""
    assert fresh_s((), 200, fields) == seconds


@pytest.mark.parametrize("status", [206, 302, 307, 401, 500, 503])
def test_some_answers_are_never_shared(status: int) -> None:
    """Parts, and what may be otherwise a moment later, are not kept."""
    assert fresh_s((), status, control("public, max-age=60")) == 0


def test_a_cookie_makes_an_answer_personal() -> None:
    """It is shared only if the site says that it is for everybody."""
    assert fresh_s(COOKIE, 200, control("max-age=60")) == 0
    assert fresh_s(COOKIE, 200, control("public, max-age=60")) == 60
    assert fresh_s(COOKIE, 200, control("s-maxage=60")) == 60


@pytest.mark.parametrize(
    ("method", "fields", "may"),
    [
        ("GET", (), True),
        ("GET", COOKIE, True),
        ("GET", ((b"cache-control", b"no-cache"),), True),
        ("GET", ((b"te", b"trailers"),), True),
        ("HEAD", (), False),
        ("POST", (), False),
        ("GET", ((b"authorization", b"x"),), False),
        ("GET", ((b"range", b"bytes=0-"),), False),
        ("GET", ((b"if-none-match", b'"x"'),), False),
        ("GET", ((b"x-anything", b"x"),), False),
        ("GET", ((b"passerelle-ticket", b"x"),), True),
    ],
)
def test_requests_whose_answers_may_be_shared(method: str, fields: Fields, may: bool) -> None:
    """A log-in, a part of a film and what no browser sends are one reader's; a reload is not."""
    made = Request(method, "https", "news.example", "/", fields)
    assert may_share(made) is may
    assert not may_share(replace(made, content=b"x"))


def test_what_an_answer_depends_on() -> None:
    """`Vary` chooses fields of the request, whatever their order."""
    answer: Fields = ((b"vary", b"Accept-Language, accept"), (b"vary", b"X-None"))
    request: Fields = ((b"x", b"y"), (b"accept-language", b"fr"), (b"accept", b"*/*"))
    assert selecting(request, answer) == ((b"accept", b"*/*"), (b"accept-language", b"fr"))
    assert selecting(tuple(reversed(request)), answer) == selecting(request, answer)
    assert selecting(request, ()) == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"cache-control", b"expires", b"date", b"age", b"vary"]),
            st.binary(max_size=40),
        )
    ).map(tuple)
)
def test_whatever_a_site_says_is_understood(fields: Fields) -> None:
    """No field of a site raises anything, and no life is negative or endless."""
    assert 0 <= fresh_s((), 200, fields) <= 365 * 86_400
    assert age_s(fields) >= 0
