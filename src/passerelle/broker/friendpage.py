"""The page `/friend`, where a friend answers a reader's text.

Its policy lets it load what this broker serves and connect to this network, and nothing else.
"""

from __future__ import annotations

import html
from importlib import resources
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


class FriendPage:
    """The page and its two files, from memory."""

    def __init__(self, invite: str, descriptor: Descriptor) -> None:
        """`invite` is the network's, for volunteers."""
        self._page = _text("friend.html").replace("{invite}", html.escape(invite))
        self._policy = _policy(descriptor)
        self._files = {name: (_text(file), kind) for name, (file, kind) in _FILES.items()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the page and its files from `router`."""
        router.add_get("/friend", self._show)
        router.add_get("/friend/{file}", self._file)

    async def _show(self, _request: web.Request) -> web.Response:
        headers = {**_HEADERS, "Content-Security-Policy": self._policy}
        return web.Response(text=self._page, content_type="text/html", headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        text, kind = found
        return web.Response(text=text, content_type=kind, headers=_HEADERS)


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
