from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import amp
from tests.wire.outcome import refusal

URL = "https://broker.example/v1/amp/network"


@given(st.binary(max_size=5000))
def test_round_trip(message: bytes) -> None:
    """A message that is put on a page is read from it."""
    assert amp.message(amp.page(message, URL)) == message


@given(st.binary(max_size=3000), st.randoms(use_true_random=False))
def test_a_cache_may_rewrite_the_page(message: bytes, random: object) -> None:
    """Attributes, other blanks, another case and more elements leave the message readable."""
    page = amp.page(message, URL)
    page = page.replace(b"<pre>", b'<PRE class="i-amphtml-x" data-n=1>').replace(b"\n", b" \r\n\t")
    page = page.replace(b"</pre>", b"</pre ><script>var a = 1 < 2;</script>")
    half = page.index(b" \r\n\t", page.index(b"<PRE")) + 1
    page = page[:half] + b"</pre><p>more</p><pre\nid=x>" + page[half:]
    assert amp.message(page) == message


def test_the_page_is_valid_amp() -> None:
    """The page holds what the format demands, in its order (amp.dev, "AMP HTML spec")."""
    page = amp.page(b"x", 'https://broker.example/"><script>').decode()
    assert page.startswith('<!doctype html><html amp lang="en"><head><meta charset="utf-8">')
    assert page.count("<script") == 1
    assert '<script async src="https://cdn.ampproject.org/v0.js"></script>' in page
    assert re.search(r'<link rel="canonical" href="https://broker\.example/&quot;[^"<>]*">', page)
    assert '<meta name="viewport" content="width=device-width">' in page
    assert (
        "<style amp-boilerplate>body{-webkit-animation:-amp-start 8s steps(1,end) 0s 1 normal both;"
        "-moz-animation:-amp-start 8s steps(1,end) 0s 1 normal both;"
        "-ms-animation:-amp-start 8s steps(1,end) 0s 1 normal both;"
        "animation:-amp-start 8s steps(1,end) 0s 1 normal both}"
        "@-webkit-keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}"
        "@-moz-keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}"
        "@-ms-keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}"
        "@-o-keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}"
        "@keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}</style>"
        "<noscript><style amp-boilerplate>body{-webkit-animation:none;-moz-animation:none;"
        "-ms-animation:none;animation:none}</style></noscript></head>"
    ) in page


@given(st.binary(max_size=2000) | st.text(alphabet="<pre>/1Az_- \n=").map(str.encode))
def test_any_page_is_read_or_refused(page: bytes) -> None:
    """Any page gives bytes or the declared error."""
    assert refusal(lambda: amp.message(page)) in {None, LinkCode.MALFORMED}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"", "without a message"),
        (b"<html><body>1AAAA</body></html>", "without a message"),
        (b"<pre>2AAAA</pre>", "without a message"),
        (b"<pre>1AAAA", "without a message"),
        (b"<pre>1A=A</pre>", "damaged"),
        (b"<pre>1AAB</pre>", "damaged"),
        ("<pre>1é</pre>".encode(), "damaged"),
        (bytes(limits.AMP_PAGE_BYTES + 1), "too large"),
    ],
)
def test_bad_pages(page: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        amp.message(page)


def test_a_hostile_page_is_read_in_linear_time() -> None:
    """No page makes the search run over it again and again."""
    for part in (b"<pre", b"<pre ", b"<pre>", b"<pre></pre", b"<pre " + b"a" * 500):
        page = (part * limits.AMP_PAGE_BYTES)[: limits.AMP_PAGE_BYTES]
        with pytest.raises(PeerError):
            amp.message(page)


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ("example.com", "example-com"),
        ("foo.example.com", "foo-example-com"),
        ("foo-example.com", "foo--example-com"),
        ("xn--57hw060o.com", "xn---com-p33b41770a"),
        ("en-us.example.com", "0-en--us-example-com-0"),
        ("localhost", None),
        ("a" * 60 + ".example.com", None),
        ("Ä.example", None),
    ],
)
def test_a_publishers_name_at_a_cache(host: str, prefix: str | None) -> None:
    """The examples of "AMP Cache URL Format" (amp.dev) hold; a name without a label has a hash."""
    found = amp.cache_prefix(host)
    assert re.fullmatch(r"[a-z0-9-]{1,63}", found)
    if prefix is None:
        assert re.fullmatch(r"[a-z2-7]{52}", found), "SHA-256 in base32"
    else:
        assert found == prefix


@pytest.mark.parametrize(
    ("cache", "url", "cached"),
    [
        (
            "https://cdn.ampproject.org",
            "https://broker.example/net/v1/amp/network",
            "https://broker-example.cdn.ampproject.org/c/s/broker.example/net/v1/amp/network",
        ),
        (
            "https://cache.example:8443/amp",
            "http://broker.example:8080/v1/amp/network",
            "https://broker-example.cache.example:8443/amp/c/broker.example:8080/v1/amp/network",
        ),
    ],
)
def test_url_of_a_cached_page(cache: str, url: str, cached: str) -> None:
    assert amp.cache_url(cache, url) == cached
