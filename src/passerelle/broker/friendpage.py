"""The page `/friend`, where a friend answers a reader's text, in the languages of the switch.

Its policy lets it load what this broker serves and connect to this network, and nothing else.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from passerelle.wire.descriptor import Descriptor

_FILES: Final = {
    "page.js": ("friend.js", "text/javascript"),
    "page.css": ("friend.css", "text/css"),
}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


_BEGIN: Final = "<code>passerelle-ask1:</code>"
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "ug"})
_TRADITIONAL: Final = frozenset({"hant", "tw", "hk", "mo"})
"""Scripts and regions, as in `zh-TW`, where Chinese is written in traditional characters."""


class FriendPage:
    """The page in each language and its two files, from memory."""

    def __init__(self, invite: str, descriptor: Descriptor) -> None:
        """`invite` is the network's, for volunteers."""
        self._pages = _pages(invite)
        self._policy = _policy(descriptor)
        self._files = {name: (_text(file), kind) for name, (file, kind) in _FILES.items()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the page and its files from `router`."""
        router.add_get("/friend", self._show)
        router.add_get("/friend/{file}", self._file)

    async def _show(self, request: web.Request) -> web.Response:
        asked = request.query.get("lang")
        wanted = [asked] if asked else _accepted(request.headers.get("Accept-Language", ""))
        code = choose_language(wanted, self._pages)
        headers = {
            **_HEADERS,
            "Content-Security-Policy": self._policy,
            "Content-Language": code,
            "Vary": "Accept-Language",
        }
        return web.Response(text=self._pages[code], content_type="text/html", headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        text, kind = found
        return web.Response(text=text, content_type=kind, headers=_HEADERS)


def choose_language(wanted: Iterable[str], known: Iterable[str]) -> str:
    """Return the code in `known` of the first tag in `wanted` (BCP 47) that has one; else `en`.

    The switch chooses in the same way.
    """
    codes = {code.lower(): code for code in known}
    for tag in wanted:
        language, *rest = tag.strip().lower().replace("_", "-").split("-")
        if language == "zh":
            language = "zh-hans" if _TRADITIONAL.isdisjoint(rest) else "zh-hant"
        if language in codes:
            return codes[language]
    return "en"


def _accepted(header: str) -> list[str]:
    """Return the tags of an Accept-Language header (RFC 9110 section 12.5.4), the best first."""
    ranked = []
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        if quality > 0:
            ranked.append((-quality, tag))
    return [tag for _, tag in sorted(ranked, key=lambda item: item[0])]


def _pages(invite: str) -> dict[str, str]:
    """Return the page in each language, by the language's code."""
    words: dict[str, dict[str, str]] = json.loads(_text("friend.json"))
    template = Template(_text("friend.html"))
    languages = "\n".join(
        f'<a href="friend?lang={code}" lang="{code}">{html.escape(own["name"])}</a>'
        for code, own in words.items()
    )
    pages = {}
    for code, own in words.items():
        values = {name: html.escape(text) for name, text in own.items()}
        link = f'<a href="v1/network" download="network.json">{values["file"]}</a>'
        values |= {
            "code": code,
            "dir": "rtl" if code in _RIGHT_TO_LEFT else "ltr",
            "invite": html.escape(invite),
            "intro": values["intro"].replace("{begin}", _BEGIN),
            "stay": values["stay"].replace("{file}", link),
            "languages": languages,
        }
        pages[code] = template.substitute(values)
    return pages


def _policy(descriptor: Descriptor) -> str:
    servers: dict[str, None] = {}
    for url in (*(broker.url for broker in descriptor.brokers), *(e.url for e in descriptor.exits)):
        parts = urlsplit(url)
        secure = parts.scheme in {"https", "wss"}
        for scheme in ("https", "wss") if secure else ("http", "ws"):
            servers[f"{scheme}://{parts.netloc}"] = None
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src data:",
            f"connect-src 'self' {' '.join(servers)}",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types passerelle",
        )
    )


def _text(name: str) -> str:
    return resources.files("passerelle.broker").joinpath("pages", name).read_text(encoding="utf-8")
