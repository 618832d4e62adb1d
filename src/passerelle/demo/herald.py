"""The blocked newspaper of `passerelle demo --reader`: invented, with what news sites have."""

from __future__ import annotations

import functools
import html
import struct
import zlib
from importlib import resources
from string import Template
from typing import Final

from aiohttp import web

from passerelle.io.server.web import application

NAME: Final = "herald.localhost"
"""Names below `localhost` are this computer (RFC 6761 §6.3)."""
STORIES: Final = {
    "bridge": ("The bridge opens again", "Traffic crosses the river for the first time in a year."),
    "harvest": ("A late harvest", "Farmers in the valley count what the frost has left."),
    "library": ("The library reads aloud", "Every evening somebody reads a chapter to the square."),
}


def newspaper() -> web.Application:
    """Return the newspaper's site."""
    app = application()
    app.router.add_get("/", _front)
    app.router.add_get("/story/{name}", _story)
    app.router.add_get("/search", _search)
    app.router.add_get("/picture/{name}.png", _picture)
    app.router.add_get("/style.css", _style)
    return app


async def _front(_request: web.Request) -> web.Response:
    stories = "".join(
        f'<article><a href="/story/{name}"><img src="/picture/{name}.png" alt="" width="320" '
        f'height="180"><h2>{title}</h2></a><p>{lead}</p></article>'
        for name, (title, lead) in STORIES.items()
    )
    return _page("The Herald", f'<div class="stories">{stories}</div>')


async def _story(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STORIES:
        return _page("Not found", "<p>There is no such story.</p>", status=404)
    title, lead = STORIES[name]
    body = "".join(f"<p>{lead} {sentence}</p>" for sentence in _SENTENCES)
    picture = f'<img src="/picture/{name}.png" alt="" width="640" height="360">'
    return _page(title, f"<h1>{title}</h1>{picture}{body}")


async def _search(request: web.Request) -> web.Response:
    words = request.query.get("q", "")[:100]
    found = [
        f'<li><a href="/story/{name}">{title}</a></li>'
        for name, (title, lead) in STORIES.items()
        if words and words.lower() in f"{title} {lead}".lower()
    ]
    count = f"{len(found)} found for “{html.escape(words)}”"
    return _page("Search", f"<h1>{count}</h1><ul>{''.join(found)}</ul>")


async def _picture(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STORIES:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=600"}
    return web.Response(body=picture(name), content_type="image/png", headers=headers)


async def _style(_request: web.Request) -> web.Response:
    return web.Response(text=_file("herald.css"), content_type="text/css")


@functools.cache
def picture(name: str, width: int = 640, height: int = 360) -> bytes:
    """Return a PNG of hills under a sky, which differs from story to story.

    It is drawn once: that takes 0.1 s, in which the servers of a demo do nothing else.
    """
    seed = zlib.crc32(name.encode())
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            wave = (x * (3 + seed % 5) // 7) % 160
            hill = height * 2 // 3 - abs(wave - 80) // 2 + (seed >> 8) % 30
            if y < hill:
                rows += bytes((150 + y // 8, 190 + y // 10, 230))
            else:
                rows += bytes((60 + seed % 60, 110 + (y - hill) // 6, 70 + (seed >> 4) % 40))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 6)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _page(title: str, body: str, status: int = 200) -> web.Response:
    text = Template(_file("herald.html")).substitute(title=title, body=body)
    return web.Response(text=text, content_type="text/html", status=status)


def _file(name: str) -> str:
    return (resources.files(__package__) / "pages" / name).read_text("utf-8")


_SENTENCES: Final = (
    "The news came early in the morning, and by noon everybody in town had heard it.",
    "The mayor spoke for a minute, and then the band played for an hour.",
    "Nobody could say how long it would last, but nobody wanted to be the first to leave.",
    "An old woman at the gate had seen it all before, and said so to whoever stopped.",
    "In the evening the lamps were lit one after the other along the water.",
)
