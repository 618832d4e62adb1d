"""The demo's two sites: a newspaper whose page has the switch, and the blocked site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from string import Template
from typing import Final

from aiohttp import web

from passerelle.io.server.web import application

ARTICLE_PATH: Final = "/letter"
_NO_STORE = {"Cache-Control": "no-store"}


def publisher(tag: str) -> web.Application:
    """Return the newspaper's site. `tag` is the HTML that the operator gives to a publisher."""
    script, _, element = tag.partition("\n")
    page = Template(_page("courier.html")).substitute(tag_script=script, tag_element=element)
    app = application()
    app.router.add_get("/", _serve_page(page.encode()))
    return app


def blocked() -> web.Application:
    """Return the site that the reader cannot reach without a volunteer."""
    app = application()
    app.router.add_get(ARTICLE_PATH, _serve_page(article()))
    return app


def article() -> bytes:
    """Return the blocked page's bytes, to compare them with those that arrive."""
    return _page("almanac.html").encode()


def _page(name: str) -> str:
    return (resources.files(__package__) / "pages" / name).read_text("utf-8")


def _serve_page(body: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=_NO_STORE)

    return handle
