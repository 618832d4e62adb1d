"""The answers of a site that all readers may share, and for how long (RFC 9111).

An answer is kept only if the site says so in words: `s-maxage`, or `max-age` or `Expires` where
nothing makes it one person's. Nothing is guessed from `Last-Modified`. What readers say about
caching is not obeyed: a reload costs the site nothing while its own answer is fresh.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Final

from passerelle.wire.binaryhttp import Fields, Request

OWN_PREFIX: Final = b"passerelle-"
"""Fields that begin with this are between reader and gateway."""
SHARED_METHODS: Final = frozenset({"GET"})
_KEPT_STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
_PRIVATE_DIRECTIVES: Final = frozenset({"no-store", "no-cache", "private"})
_PLAIN_FIELDS: Final = frozenset(
    b"accept accept-encoding accept-language cache-control cookie dnt origin pragma referer "
    b"save-data te user-agent".split()
)
"""Fields that every browser sends; `te` goes no further than the gateway. A request with any other
has an answer of its own: a site may write what it says into a page that others would then get, or
answer with a part or a change."""
_DIRECTIVE = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?'
)
_LONGEST_S: Final = 365 * 86_400.0


def may_share(request: Request) -> bool:
    """Return whether the answer to a request may be one that others get, too.

    The fields between reader and gateway do not matter, because the site does not see them.
    """
    return (
        request.method in SHARED_METHODS
        and not request.content
        and all(name in _PLAIN_FIELDS or name.startswith(OWN_PREFIX) for name, _ in request.fields)
    )


def fresh_s(request: Fields, status: int, fields: Fields) -> float:
    """Return for how many seconds from now an answer may be given to others; 0 for none.

    A request with cookies has an answer for others only if that says `public` or `s-maxage`.
    """
    names = {name for name, _ in fields}
    if status not in _KEPT_STATUSES or b"set-cookie" in names or _vary(fields) is None:
        return 0.0
    directives = _directives(fields)
    if _PRIVATE_DIRECTIVES & directives.keys():
        return 0.0
    has_cookie = any(name == b"cookie" for name, _ in request)
    if has_cookie and not {"public", "s-maxage"} & directives.keys():
        return 0.0
    life_s = _life_s(directives, fields)
    return max(0.0, min(life_s, _LONGEST_S) - age_s(fields))


def age_s(fields: Fields) -> float:
    """Return the age that an answer has when it comes, in seconds."""
    return _seconds(_only(fields, b"age"))


def selecting(request: Fields, answer: Fields) -> Fields:
    """Return the fields of a request that its answer depends on (`Vary`)."""
    names = _vary(answer) or frozenset()
    return tuple(sorted((name, value) for name, value in request if name in names))


def _vary(fields: Fields) -> frozenset[bytes] | None:
    """Return the lower-case names in `Vary`; None if the answer depends on anything."""
    names = frozenset(
        name.strip().lower()
        for field, value in fields
        if field == b"vary"
        for name in value.split(b",")
    )
    return None if b"*" in names else names - {b""}


def _directives(fields: Fields) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        if name != b"cache-control":
            continue
        for match in _DIRECTIVE.finditer(value.decode("latin-1")):
            directive, argument = match[1].lower(), (match[2] or "").strip('"')
            # Of two lives the answer has neither: the server contradicts itself.
            twice = directive in found and found[directive] != argument
            found[directive] = "" if twice else argument
    return found


def _life_s(directives: dict[str, str], fields: Fields) -> float:
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return _seconds(directives[name])
    expires, date = _only(fields, b"expires"), _only(fields, b"date")
    try:
        life = parsedate_to_datetime(expires) - parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return life.total_seconds()


def _only(fields: Fields, wanted: bytes) -> str:
    """Return the value of a field that comes once; an empty text otherwise."""
    values = [value for name, value in fields if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0.0
