"""The list of a network's publishers, and the tokens by which they see their figures.

A publisher is known by the origins of its pages, such as `https://news.example`, as its visitors'
browsers name them with each WebSocket. The first one is the publisher's name. Of a token the list
holds the SHA-256 only; a token has 192 random bits, so a slow hash would protect nothing more.

The list is a JSON object: `{"publishers": [{"pages": […], "token_sha256": "…"}]}`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from passerelle import serverlimits

TOKEN_BYTES: Final = 24
_PREFIX: Final = "newsroom-"

PageOrigin = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=serverlimits.PAGE_ORIGIN_CHARS,
        pattern=r"^https?://[^/?#@\s]+\Z",
    ),
]


class Publisher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A publisher whose pages bring volunteers."""

    pages: Annotated[
        tuple[PageOrigin, ...], Meta(min_length=1, max_length=serverlimits.PUBLISHER_PAGES)
    ]
    token_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

    @property
    def name(self) -> str:
        """The first of its pages' origins."""
        return self.pages[0]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    publishers: Annotated[tuple[Publisher, ...], Meta(max_length=serverlimits.PUBLISHERS)]


class Publishers:
    """The publishers of a network. It never changes; `given` and `without` return another list."""

    def __init__(self, entries: Iterable[Publisher] = ()) -> None:
        """Of two entries with one page, the later one has it."""
        self.entries = tuple(entries)
        self._by_page = {page: entry for entry in self.entries for page in entry.pages}

    def of_page(self, origin: str) -> Publisher | None:
        """Return the publisher of the pages with this origin."""
        return self._by_page.get(origin)

    def holder(self, token: str) -> Publisher | None:
        """Return whose token this is. The time that it takes says nothing about any token."""
        digest = digest_of(token)
        found = None
        for entry in self.entries:
            if hmac.compare_digest(entry.token_sha256, digest):
                found = entry
        return found

    def given(self, pages: Sequence[str], token: str) -> Publishers:
        """Return the list with a publisher of `pages`, in place of those that have one of them.

        It keeps the name of one that had it before, in whatever order the pages are given. Raises
        ValueError when there would be too many.
        """
        wanted = set(pages)
        others = [entry for entry in self.entries if wanted.isdisjoint(entry.pages)]
        names = {entry.name for entry in self.entries}
        made = Publisher(tuple(sorted(pages, key=lambda page: page not in names)), digest_of(token))
        if len(others) >= serverlimits.PUBLISHERS or len(pages) > serverlimits.PUBLISHER_PAGES:
            raise ValueError("too many publishers, or too many pages of one")
        return Publishers((*others, made))

    def without(self, page: str) -> Publishers:
        """Return the list without the publisher of the pages with this origin."""
        return Publishers(entry for entry in self.entries if page not in entry.pages)

    def encode(self) -> bytes:
        """Return the list as it is stored."""
        return msgspec.json.format(msgspec.json.encode(_File(self.entries))) + b"\n"


def decode(text: bytes) -> Publishers:
    """Read a stored list. Raises ValueError."""
    try:
        return Publishers(msgspec.json.decode(text, type=_File).publishers)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError("not a list of publishers") from error


def token_of(random: bytes) -> str:
    """Return the token that TOKEN_BYTES random bytes make."""
    return _PREFIX + random.hex()


def digest_of(token: str) -> str:
    """Return what is stored of a token. Blanks around it do not count."""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).hexdigest()
