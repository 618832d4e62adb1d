"""The list of publishers: what is stored of a token, who has one, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import serverlimits
from passerelle.wire import publishers
from passerelle.wire.publishers import Publishers, digest_of, token_of

TOKEN = token_of(bytes(24))
OTHER = token_of(bytes(range(24)))
NEWS = ("https://news.example", "https://www.news.example")


def test_a_token_leads_to_its_publisher_alone() -> None:
    found = Publishers().given(NEWS, TOKEN).given(["https://paper.example"], OTHER)
    holder = found.holder(TOKEN)
    assert holder is not None
    assert holder.pages == NEWS
    assert holder.name == NEWS[0]
    assert found.holder(f" {OTHER}\n") == found.of_page("https://paper.example")
    for wrong in ("", TOKEN[:-1], TOKEN.upper(), "newsroom-", digest_of(TOKEN), "\udcff"):
        assert found.holder(wrong) is None


def test_the_list_does_not_hold_the_token() -> None:
    """Only its SHA-256 is stored, and leads back to the same list."""
    stored = Publishers().given(NEWS, TOKEN).encode()
    assert TOKEN.removeprefix("newsroom-").encode() not in stored
    again = publishers.decode(stored)
    assert again.entries == Publishers().given(NEWS, TOKEN).entries


def test_a_new_token_for_a_page_makes_the_old_one_void() -> None:
    found = Publishers().given(NEWS, TOKEN).given(NEWS[1:], OTHER)
    assert found.holder(TOKEN) is None
    assert found.of_page(NEWS[0]) is None
    assert found.holder(OTHER) is not None


def test_a_new_token_keeps_the_name_in_whatever_order_the_pages_are_given() -> None:
    """The counts go by the name."""
    more = (NEWS[1], "https://new.example", NEWS[0])
    found = Publishers().given(NEWS, TOKEN).given(more, OTHER)
    assert [(each.name, set(each.pages)) for each in found.entries] == [(NEWS[0], set(more))]


def test_withdrawing_one_leaves_the_others() -> None:
    found = Publishers().given(NEWS, TOKEN).given(["https://paper.example"], OTHER)
    left = found.without(NEWS[1])
    assert left.holder(TOKEN) is None
    assert left.holder(OTHER) is not None
    assert left.of_page(NEWS[0]) is None


def test_publishers_and_their_pages_are_bounded() -> None:
    found = Publishers()
    for number in range(serverlimits.PUBLISHERS):
        found = found.given([f"https://{number}.example"], str(number))
    with pytest.raises(ValueError, match="too many"):
        found.given(["https://one.more.example"], TOKEN)
    # One that is there already may get a new token.
    assert found.given(["https://7.example"], TOKEN).holder(TOKEN) is not None
    many = [f"https://{number}.example" for number in range(serverlimits.PUBLISHER_PAGES + 1)]
    with pytest.raises(ValueError, match="too many"):
        Publishers().given(many, TOKEN)


@pytest.mark.parametrize(
    "entry",
    [
        {"pages": [], "token_sha256": "0" * 64},
        {"pages": ["news.example"], "token_sha256": "0" * 64},
        {"pages": ["https://news.example/path"], "token_sha256": "0" * 64},
        {"pages": ["https://news.example\n"], "token_sha256": "0" * 64},
        {"pages": ["https://a@news.example"], "token_sha256": "0" * 64},
        {"pages": ["https://news.example"], "token_sha256": "0" * 63},
        {"pages": ["https://news.example"], "token_sha256": "0" * 64, "more": 1},
        {"pages": ["https://" + "a" * serverlimits.PAGE_ORIGIN_CHARS], "token_sha256": "0" * 64},
        {},
    ],
)
def test_a_damaged_list_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a list"):
        publishers.decode(json.dumps({"publishers": [entry]}).encode())


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_raise(data: bytes) -> None:
    try:
        publishers.decode(data)
    except ValueError:
        return
    assert b"publishers" in data
