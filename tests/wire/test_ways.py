from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.wire import ways
from passerelle.wire.ways import AmpWay, DirectWay, DoorWay, FrontedWay, RequestTarget, Way

BROKER = "https://broker.example/net"
PATH = "/v1/network"
NAMES = st.from_regex(r"[a-z]{1,20}\.example(:[1-9][0-9]{0,3})?", fullmatch=True)
URLS = NAMES.map(lambda name: f"https://{name}")
WAYS: st.SearchStrategy[Way] = (
    st.just(DirectWay())
    | st.builds(FrontedWay, url=URLS, front=NAMES)
    | st.builds(DoorWay, url=URLS)
    | st.builds(AmpWay, cache=URLS, front=st.none() | NAMES, url=st.none() | URLS)
)


@given(st.lists(WAYS))
def test_a_descriptors_list_reads_back(given_ways: list[Way]) -> None:
    assert ways.read(ways.write(given_ways)) == tuple(given_ways)


@given(WAYS)
def test_the_text_reads_back(way: Way) -> None:
    """A way's text reads back to the way."""
    if isinstance(way, DirectWay) or (isinstance(way, AmpWay) and way.url is not None):
        assert str(way).partition("=")[0] in {"direct", "amp"}
        return
    assert ways.parse(str(way)) == way


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
FIELDS = st.dictionaries(
    st.sampled_from(["kind", "url", "front", "cache", "new"]),
    JSON | st.sampled_from(["direct", "fronted", "amp", "door", "https://a.example", "a.example"]),
)


@given(st.lists(FIELDS))
def test_what_is_not_understood_is_left_out(items: list[dict[str, Any]]) -> None:
    """Ways of a later version, or nonsense, are skipped, and the others are read."""
    kept = {"kind": "fronted", "url": "https://cdn.example", "front": "popular.example"}
    found = ways.read([*items, kept])
    assert found[-1] == FrontedWay("https://cdn.example", "popular.example")
    assert len(found) <= len(items) + 1


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "carrier-pigeon", "loft": 7},
        {"kind": "fronted", "url": "https://cdn.example"},
        {"kind": "fronted", "url": "https://cdn.example", "front": "a b.example"},
        {"kind": "fronted", "url": "https://cdn.example", "front": "u@a.example"},
        {"kind": "fronted", "url": "https://cdn.example", "front": "a.example/x"},
        {"kind": "fronted", "url": "ftp://cdn.example", "front": "a.example"},
        {"kind": "fronted", "url": "https://u@cdn.example", "front": "a.example"},
        {"kind": "fronted", "url": "https://cdn.example?x=y", "front": "a.example"},
        {"kind": "fronted", "url": "https://cdn.example:0", "front": "a.example"},
        {"kind": "fronted", "url": "https://cdn.example:99999", "front": "a.example"},
        {"kind": "fronted", "url": "https://cdn\n.example", "front": "a.example"},
        {"kind": "amp", "cache": "https:///"},
        {"kind": "amp", "cache": "https://cache.example", "url": "nowhere/"},
        {},
    ],
)
def test_bad_ways_are_left_out(item: dict[str, Any]) -> None:
    assert ways.read([item]) == ()


@pytest.mark.parametrize(
    ("way", "target"),
    [
        (DirectWay(), RequestTarget("https://broker.example/net/v1/network")),
        (
            FrontedWay("https://cdn.example/b", "popular.example:8443"),
            RequestTarget("https://popular.example:8443/b/v1/network", "cdn.example"),
        ),
        (
            AmpWay("https://cache.example"),
            RequestTarget("https://broker-example.cache.example/c/s/broker.example/net/v1/network"),
        ),
        (
            AmpWay("https://cache.example", "popular.example", "https://other.example"),
            RequestTarget(
                "https://popular.example/c/s/other.example/v1/network",
                "other-example.cache.example",
            ),
        ),
    ],
)
def test_where_a_request_goes(way: Way, target: RequestTarget) -> None:
    """The URL names the front, if there is one, and `host` whoever is behind it."""
    assert way.target(BROKER, PATH) == target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no way to a broker"),
        ("direct", "no way to a broker"),
        ("fronted=https://cdn.example", "no way to a broker"),
        ("pigeon=a.example,https://cdn.example", "no way to a broker"),
        ("fronted=a b,https://cdn.example", "can be used"),
        ("fronted=a.example,cdn.example", "can be used"),
        ("amp=", "can be used"),
        ("amp=cdn.example/x", "can be used"),
    ],
)
def test_bad_texts(text: str, reason: str) -> None:
    """The error says to a person why a text is no way."""
    with pytest.raises(ValueError, match=reason):
        ways.parse(text)
