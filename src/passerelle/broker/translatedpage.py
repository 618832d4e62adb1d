"""The broker's pages with a switch on them, in the languages of the switch.

On `/friend` a friend answers a reader's text. `/keep` is the small window in which a volunteer goes
on after leaving a publisher's page. Their policy lets them load what this broker serves and connect
to this network, and nothing else. A page that opened `/keep` may be told that it helps now, so the
pages set no Cross-Origin-Opener-Policy.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from string import Template
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from passerelle.core.embed import Script
from passerelle.wire.descriptor import Descriptor

QR: Final = "qr"
"""The part of the built widget that draws QR pictures."""
_FILES: Final = {"page.js": ("js", "text/javascript"), "page.css": ("css", "text/css")}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_MARKUP: Final = {
    "begin": "<code>passerelle-ask1:</code>",
    "file": '<a href="v1/network" download="network.json">$file</a>',
}
"""What stands for `{begin}` and `{file}` in a sentence; `$file` is the word of that name."""
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "ug"})
_TRADITIONAL: Final = frozenset({"hant", "tw", "hk", "mo"})
"""Scripts and regions, as in `zh-TW`, where Chinese is written in traditional characters."""


class TranslatedPage:
    """A page in each language and its two files, from memory."""

    def __init__(
        self, name: str, invite: str, descriptor: Descriptor, parts: Mapping[str, Script]
    ) -> None:
        """`name` is the page's, and that of its files in `pages`; `invite` is for volunteers.

        `parts` are those of the built widget.
        """
        self._name = name
        self._pages = _pages(name, invite, f"w/{parts[QR].file}" if QR in parts else "")
        self._policy = _policy(descriptor)
        self._files = {
            file: (_text(f"{name}.{ending}"), kind) for file, (ending, kind) in _FILES.items()
        }

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the page and its files from `router`."""
        router.add_get(f"/{self._name}", self._show)
        router.add_get(f"/{self._name}/{{file}}", self._file)

    async def _show(self, request: web.Request) -> web.Response:
        code = language_of(request, self._pages)
        headers = {
            **_HEADERS,
            "Content-Security-Policy": self._policy,
            "Content-Language": code,
            "Vary": "Accept-Language",
        }
        return _closing(self._pages[code], "text/html", headers)

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        text, kind = found
        return _closing(text, kind, _HEADERS)


def _closing(text: str, kind: str, headers: Mapping[str, str]) -> web.Response:
    """Return an answer that ends its connection.

    A kept one would be closed with packets long after the visitor has turned the switch off.
    """
    response = web.Response(text=text, content_type=kind, headers=headers)
    response.force_close()
    return response


def language_of(request: web.Request, known: Iterable[str]) -> str:
    """Return the code in `known` for whoever asks. A `lang` in the address goes first."""
    asked = request.query.get("lang")
    wanted = [asked] if asked else _accepted(request.headers.get("Accept-Language", ""))
    return choose_language(wanted, known)


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


def _pages(name: str, invite: str, qr: str) -> dict[str, str]:
    """Return the page in each language, by the language's code; `qr` draws QR pictures for it."""
    words: dict[str, dict[str, str]] = json.loads(_text(f"{name}.json"))
    template = Template(_text(f"{name}.html"))
    languages = "\n".join(
        f'<a href="{name}?lang={code}" lang="{code}">{html.escape(own["name"])}</a>'
        for code, own in words.items()
    )
    pages = {}
    for code, own in words.items():
        values = {
            **_sentences(own),
            "code": code,
            "dir": "rtl" if code in RIGHT_TO_LEFT else "ltr",
            "invite": html.escape(invite),
            "qr": html.escape(qr),
            "languages": languages,
        }
        pages[code] = template.substitute(values)
    return pages


def _sentences(own: Mapping[str, str]) -> dict[str, str]:
    """Return the sentences of a language as HTML."""
    plain = {name: html.escape(text) for name, text in own.items()}
    marks = {f"{{{name}}}": Template(text).safe_substitute(plain) for name, text in _MARKUP.items()}
    found = {}
    for name, sentence in plain.items():
        found[name] = sentence
        for mark, markup in marks.items():
            found[name] = found[name].replace(mark, markup)
    return found


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
