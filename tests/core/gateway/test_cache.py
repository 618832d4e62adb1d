from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.gateway.cache import AnswerCache, Kept
from passerelle.wire.binaryhttp import Fields

FRENCH: Fields = ((b"accept-language", b"fr"),)
PERSIAN: Fields = ((b"accept-language", b"fa"),)
VARY: Fields = ((b"vary", b"accept-language"),)


def kept(content: bytes = b"x", *, until_s: float = 100, chosen: Fields = ()) -> Kept:
    return Kept(200, VARY if chosen else ((b"age", b"7"),), content, chosen, 10, until_s)


def test_an_answer_is_found_while_it_is_fresh() -> None:
    """It is given to everybody who asks for the same, and not a moment too long."""
    cache = AnswerCache(10_000)
    cache.keep("a", kept(), 10)
    found = cache.find("a", FRENCH, 99)
    assert found is not None
    assert found.aged(40) == ((b"age", b"37"),)
    assert cache.find("a", (), 100) is None
    assert cache.find("b", (), 50) is None


def test_each_variant_is_kept() -> None:
    """One address has answers in several languages; a newer one takes the place of its own."""
    cache = AnswerCache(100_000)
    cache.keep("a", kept(b"old", chosen=FRENCH), 10)
    cache.keep("a", kept(b"fa", chosen=PERSIAN), 10)
    cache.keep("a", kept(b"fr", chosen=FRENCH), 10)
    for request, content in ((FRENCH, b"fr"), (PERSIAN, b"fa")):
        found = cache.find("a", request, 50)
        assert found is not None
        assert found.content == content
    assert cache.find("a", (), 50) is None
    for n in range(2 * limits.GATEWAY_VARIANTS):
        cache.keep("a", kept(chosen=((b"accept-language", b"%d" % n),)), 10)
    assert cache.find("a", FRENCH, 50) is None


def test_what_was_used_longest_ago_gives_way() -> None:
    """The memory has a bound, and the front page stays."""
    cache = AnswerCache(20_000)
    cache.keep("front", kept(), 10)
    for n in range(50):
        cache.keep(str(n), kept(bytes(3000)), 10)
        assert cache.find("front", (), 50) is not None
        assert cache.held_bytes <= 20_000
    assert cache.find("0", (), 50) is None


def test_an_answer_larger_than_the_memory_is_not_kept() -> None:
    """It pushes nothing else out, and an older one to the same request is gone."""
    cache = AnswerCache(20_000)
    cache.keep("a", kept(), 10)
    cache.keep("b", kept(), 10)
    cache.keep("b", kept(bytes(20_000)), 10)
    assert cache.find("a", (), 50) is not None
    assert cache.find("b", (), 50) is None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3000), st.booleans(), st.booleans()))
)
def test_what_is_held_is_counted(steps: list[tuple[str, int, bool, bool]]) -> None:
    """After any changes the count is that of what is there."""
    cache = AnswerCache(8000)
    for url, size, is_french, forgets in steps:
        if forgets:
            cache.forget(url)
        else:
            cache.keep(url, kept(bytes(size), chosen=FRENCH if is_french else ()), 10)
        held = [each for variants in cache._answers.values() for each in variants]
        assert cache.held_bytes == sum(each.cost_bytes for each in held) <= 8000
