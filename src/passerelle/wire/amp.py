"""Messages that pass through an AMP cache: out in a URL's path, back on a valid AMP HTML page.

A cache fetches a page by GET from the address that the URL names, accepts it only if it is valid
AMP HTML, and may change it: minify it, add attributes and scripts, rewrite links. The message is
the text of `<pre>` elements, which survives that: `1` and base64url in lines. Blanks and line ends
do not count.

URL of a cached page: `https://PREFIX.CACHE/c/s/HOST/PATH`, where PREFIX is HOST with each `-`
doubled and each `.` made a `-`, or a hash of HOST where that is no DNS label (without `/s` for
http). See "AMP Cache URL Format" at amp.dev.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import Final
from urllib.parse import urlsplit

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import base64url

_VERSION: Final = "1"
_LINE_CHARS: Final = 64
_ELEMENT: Final = re.compile(rb"<pre(?:\s[^<>]{0,512})?>([^<]*)</pre\s*>", re.IGNORECASE)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")

_HIDE: Final = "-amp-start 8s steps(1,end) 0s 1 normal both"
_FRAMES: Final = "keyframes -amp-start{from{visibility:hidden}to{visibility:visible}}"
_BOILERPLATE: Final = (
    "<style amp-boilerplate>body{"
    + ";".join(f"{vendor}animation:{_HIDE}" for vendor in ("-webkit-", "-moz-", "-ms-", ""))
    + "}"
    + "".join(f"@{vendor}{_FRAMES}" for vendor in ("-webkit-", "-moz-", "-ms-", "-o-", ""))
    + "</style><noscript><style amp-boilerplate>body{"
    + ";".join(f"{vendor}animation:none" for vendor in ("-webkit-", "-moz-", "-ms-", ""))
    + "}</style></noscript>"
)
"""The style that every AMP page must hold: a validator compares it word for word."""
_PAGE: Final = (
    '<!doctype html><html amp lang="en"><head><meta charset="utf-8">'
    '<script async src="https://cdn.ampproject.org/v0.js"></script><title>Notes</title>'
    '<link rel="canonical" href="{url}">'
    '<meta name="viewport" content="width=device-width">{boilerplate}</head>'
    "<body><pre>\n{text}\n</pre></body></html>\n"
)


def page(message: bytes, url: str) -> bytes:
    """Return the AMP page that holds `message`; `url` is the page's own address."""
    text = _VERSION + base64url.encode(message)
    lines = (text[at : at + _LINE_CHARS] for at in range(0, len(text), _LINE_CHARS))
    filled = _PAGE.format(url=html.escape(url), boilerplate=_BOILERPLATE, text="\n".join(lines))
    return filled.encode()


def message(page: bytes) -> bytes:
    """Return the message on a page that came from a cache. Raises PeerError(MALFORMED or LIMIT)."""
    if len(page) > limits.AMP_PAGE_BYTES:
        raise PeerError(LinkCode.LIMIT, "an AMP page too large")
    text = b"".join(b"".join(found.split()) for found in _ELEMENT.findall(page))
    if not text.startswith(_VERSION.encode()):
        raise PeerError(LinkCode.MALFORMED, "an AMP page without a message")
    try:
        return base64url.decode(text[1:].decode("ascii"))
    except ValueError:
        raise PeerError(LinkCode.MALFORMED, "an AMP page with a damaged message") from None


def cache_url(cache: str, url: str) -> str:
    """Return where the cache at base URL `cache` shows the page at `url`."""
    parts, store = urlsplit(url), urlsplit(cache)
    secure = "/s" if parts.scheme == "https" else ""
    prefix = cache_prefix(parts.hostname or "")
    return (
        f"{store.scheme}://{prefix}.{store.netloc}{store.path}/c{secure}/{parts.netloc}{parts.path}"
    )


def cache_prefix(host: str) -> str:
    """Return the DNS label that stands for a publisher's host name (ASCII) at AMP caches."""
    try:
        name = host.encode("ascii").decode("idna")
        label = name.replace("-", "--").replace(".", "-")
        # A label with hyphens in third and fourth place would be read as punycode (RFC 5891
        # §4.2.3.1).
        label = f"0-{label}-0" if label[2:4] == "--" else label
        label = label.encode("idna").decode("ascii")
    except UnicodeError:
        label = ""
    if "." in host and _LABEL.fullmatch(label):
        return label
    digest = hashlib.sha256(host.encode()).digest()
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()
