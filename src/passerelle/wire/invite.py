"""Invite URLs: where a network's descriptor is, and the key that must have signed it.

`https://broker.example/#KEY`, with KEY the operator's Ed25519 public key in base64url (43
characters). A reader's invite may go on with the token of a family (`wire.family`) and with ways to
the broker beside its own address (`wire.ways`), each after a `&`. The fragment never leaves the
program that was given the URL.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import unquote, urlsplit

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire import base64url, family, ways
from passerelle.wire.pasted import clean, name, visible
from passerelle.wire.ways import Way

_KEY_CHARS = 43
_FAMILY = "family="
_KEY_ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")

_WITHIN = re.compile(
    r"(?<![A-Za-z0-9])https?://(?:\[[0-9A-Fa-f:.]+\])?[^\s<>()\[\]|`\"“”]*(?:#|%23)[A-Za-z0-9_-]{43}"
    r"(?:&[^\s<>()\[\]|`\"“”]*|(?=_?(?:[\s<>()\[\]|`\"“”*.,;:!?»’…]|$)))",
    re.IGNORECASE,
)
"""An invite inside a sentence, or in the marks by which texts name a link: `<…>`, `[…](…)`."""
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+$")


@dataclass(frozen=True, slots=True)
class Invite:
    """A parsed invite."""

    url: str
    """Base URL of a broker, without a trailing slash."""
    operator_key: bytes
    """Ed25519 public key, 32 bytes."""
    ways: tuple[Way, ...] = ()
    """Ways to the broker beside its own address."""
    family: bytes = field(default=b"", repr=False)
    """The token of the family whose volunteers are asked first; empty without one."""

    @property
    def plain(self) -> Self:
        """The invite without its ways, for volunteers: their networks block nothing."""
        return replace(self, ways=(), family=b"")

    def __str__(self) -> str:
        own = (_FAMILY + base64url.encode(self.family),) if self.family else ()
        fragment = "&".join((base64url.encode(self.operator_key), *own, *map(str, self.ways)))
        return f"{self.url}/#{fragment}"


def parse(text: str) -> Invite:
    """Read an invite URL.

    It may stand in a sentence, and what chats and mail programs add around it is taken off
    (`wire.pasted`). Raises ConfigError with
    a sentence for the person who pasted it; it names a character that nobody sees.
    """
    text = visible(text[: 2 * limits.INVITE_CHARS])
    within = _WITHIN.search(text)
    text = _without_escapes(clean(within[0] if within else text))
    if len(text) > limits.INVITE_CHARS:
        raise _bad("it is too long")
    if "#" not in text:
        # Programs that rewrite links may escape it (RFC 3986 §2.1).
        text = text.replace("%23", "#", 1)
    for each in text:
        if each.isspace() or not each.isprintable():
            raise _bad(f"there is a blank or a line end in it, {name(each)}")
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise _bad("it is not a URL") from None
    if parts.scheme not in ("https", "http") or not has_host:
        raise _bad("it must start with https:// and a host name")
    if "@" in parts.netloc or parts.query:
        raise _bad("it holds parts that no invite has")
    if not parts.fragment:
        raise _bad("the part after # is missing")
    written_key, *written_ways = parts.fragment.split("&")
    if not written_ways and not written_key[_KEY_CHARS:].strip("_"):
        # Chats write _text_ for slanted letters, and a key may have a _ too.
        written_key = written_key[:_KEY_CHARS]
    for each in written_key:
        if each not in _KEY_ALPHABET:
            raise _bad(f"the part after # is damaged: there is {name(each)} in it")
    if len(written_key) != _KEY_CHARS:
        what = "incomplete" if len(written_key) < _KEY_CHARS else "too long"
        raise _bad(f"the part after # is {what}: it has {len(written_key)} characters")
    try:
        key = base64url.decode(written_key)
        families = [each for each in written_ways if each.startswith(_FAMILY)]
        token = family.parse(families[0].removeprefix(_FAMILY)) if families else b""
        found = tuple(ways.parse(each) for each in written_ways if each not in families)
    except ValueError:
        raise _bad("the part after # is damaged") from None
    if len(found) > limits.WAYS:
        raise _bad("it names too many ways to the broker")
    if len(families) > 1:
        raise _bad("it names two families")
    return Invite(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", key, found, token)


def _without_escapes(text: str) -> str:
    """Return `text` without what a browser's address bar makes of blanks and invisible characters
    at its end (RFC 3986 §2.1), such as %E2%80%8B.
    """
    escapes = _ESCAPES.search(text)
    if escapes is None:
        return text
    try:
        meant = unquote(escapes[0], errors="strict")
    except UnicodeDecodeError:
        return text
    return text if clean(meant) else text[: escapes.start()]


def _bad(reason: str) -> ConfigError:
    return ConfigError(
        f"This invite cannot be used: {reason}. Copy the whole invite again from where you got it; "
        "it looks like https://broker.example/#… with 43 characters after the #."
    )
