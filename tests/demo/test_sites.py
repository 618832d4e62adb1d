from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from passerelle.demo import sites
from passerelle.io.server.web import WebServer

TAG = '<script type="module" src="http://x/w/x.js"></script>\n<passerelle-switch network="n">'


@asynccontextmanager
async def get(app: web.Application, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        WebServer(app, "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        yield answer


async def test_the_publishers_page_holds_the_tag_as_given() -> None:
    """Script in the head, element in the body, and nothing of the template left."""
    async with get(sites.publisher(TAG), "/") as answer:
        text = await answer.text()
    assert answer.content_type == "text/html"
    head, _, body = text.partition("</head>")
    assert TAG.splitlines()[0] in head
    assert TAG.splitlines()[1] in body
    assert "$" not in text


async def test_the_pages_load_nothing_from_elsewhere() -> None:
    """The tag's script is the only reference to another place."""
    for page in (sites._page("courier.html"), sites._page("almanac.html")):
        assert not re.findall(r'(?:src|href)="(?!data:|#)|url\((?!#)|@import', page)
        assert "http" not in page


async def test_the_blocked_site_has_one_page() -> None:
    """The article comes byte for byte; other paths do not exist."""
    async with get(sites.blocked(), sites.ARTICLE_PATH) as answer:
        assert await answer.read() == sites.article()
    async with get(sites.blocked(), "/") as answer:
        assert answer.status == 404
