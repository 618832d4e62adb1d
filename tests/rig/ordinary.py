"""A site with what ordinary sites have: editions, forms, routers, downloads, media, old pages."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from passerelle.demo import herald
from tests.rig.film import film
from tests.rig.reading import noting

NAMES: Final = ("www.paper.localhost", "fr.paper.localhost")
"""The site's hosts: the main one, and that of its French edition."""
OUTSIDE: Final = "elsewhere.example"
"""A host that is not the site's."""
PAGES: Final = Path(__file__).parent / "ordinary_pages"
BIG_BYTES: Final = 3_000_000
SOUND_S: Final = 60
SOUND_HZ: Final = 22_050
PICTURE: Final = herald.picture("ordinary", 64, 36)


class Ordinary:
    """The site; it counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """Method, host without port, and path with query, of each request."""
        self.fields: dict[str, CIMultiDict[str]] = {}
        """Headers of the newest request, by its path."""
        self.direct: list[str] = []
        """Paths of requests that came past the exit."""
        self.other_port = 0
        """Port of somebody else's server."""
        self.ranges: defaultdict[str, list[str]] = defaultdict(list)
        """The parts of sounds and films that were asked for, by their paths."""
        self._release = asyncio.Event()
        self.app = web.Application(middlewares=[noting(self._note)], client_max_size=4 << 20)
        for path, handler in self._routes().items():
            self.app.router.add_route("*", path, handler)

    def _note(self, request: web.Request) -> None:
        host = request.host.partition(":")[0]
        self.asked[f"{request.method} {host}{request.path_qs}"] += 1
        self.fields[request.path] = request.headers.copy()
        if "Sec-Fetch-Mode" in request.headers:
            # A browser itself asks. The reading page passes such fields on from nobody.
            self.direct.append(request.path)

    def _routes(self) -> dict[str, Handler]:
        return {
            "/": self._front,
            "/page/{name}": self._page,
            "/style.css": self._style,
            "/picture/{number}.png": self._picture,
            "/sprite.svg": _sprite,
            "/drawing.svg": _drawing,
            "/json": self._json,
            "/stream": self._stream,
            "/release": self._set_free,
            "/events": self._events,
            "/beacon": _empty,
            "/none": _empty,
            "/tagged": _tagged,
            "/status/{code}": _status,
            "/named": _named,
            "/zipped": _zipped,
            "/big": _big,
            "/greeting.js": _module,
            "/asks": self._asks,
            "/posts": self._posts,
            "/leaves": self._leaves,
            "/pays": self._leaves,
            "/attached": _named,
            "/paper.pdf": _pdf,
            "/feed": _feed,
            "/refreshed": self._refreshed,
            "/cyrillic/{how}": _cyrillic,
            "/sound.wav": self._media,
            "/whole.wav": self._media,
            "/film.webm": self._media,
            "/trickle": self._trickle,
            "/deep/er/page": self._asks,
            "/cookies": self._cookies,
        }

    def filled(self, name: str, request: web.Request) -> str:
        """Return a page, with the addresses of this site's hosts in it."""
        port = request.host.partition(":")[2]
        text = (PAGES / f"{name}.html").read_text()
        hosts = {
            "main": f"{NAMES[0]}:{port}",
            "french": f"{NAMES[1]}:{port}",
            "other": f"other.localhost:{self.other_port}",
            "out": OUTSIDE,
        }
        for key, host in hosts.items():
            text = text.replace("{{" + key + "}}", f"http://{host}")
        return text

    async def _front(self, request: web.Request) -> web.Response:
        return _html(self.filled("plain", request))

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not (PAGES / f"{name}.html").exists():
            return web.Response(status=404, text="<h1>not here</h1>", content_type="text/html")
        response = _html(self.filled(name, request))
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Content-Security-Policy"] = "frame-ancestors 'none'; script-src 'none'"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.set_cookie("edition", request.host.partition(".")[0])
        response.set_cookie("all", "both", domain="paper.localhost")
        return response

    async def _cookies(self, request: web.Request) -> web.Response:
        return web.json_response(dict(request.cookies))

    async def _style(self, request: web.Request) -> web.Response:
        colour = "rgb(0, 0, 200)" if request.host.startswith("fr.") else "rgb(200, 0, 0)"
        headers = {"Cache-Control": "public, max-age=600"}
        return web.Response(
            text=f"h1 {{ color: {colour} }}", content_type="text/css", headers=headers
        )

    async def _picture(self, _request: web.Request) -> web.Response:
        return web.Response(body=PICTURE, content_type="image/png")

    async def _json(self, request: web.Request) -> web.Response:
        told: dict[str, object] = {"method": request.method, "mine": request.headers.get("x-mine")}
        if request.method == "POST":
            told["a"] = (await request.json())["a"]
        return web.json_response(told)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self._release.clear()
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"first")
        await self._release.wait()
        await response.write(b" and last")
        return response

    def release(self) -> None:
        """Let the answers end that wait for it."""
        self._release.set()

    async def _set_free(self, _request: web.Request) -> web.Response:
        self.release()
        return web.Response(status=204)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._release.clear()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        await response.write(b"data: two\n\n")
        await self._release.wait()
        return response

    async def _trickle(self, request: web.Request) -> web.StreamResponse:
        self._release.clear()
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<!doctype html><head><title>trickle</title></head><h1>begun</h1>")
        await self._release.wait()
        await response.write(b"<h2>ended</h2>")
        return response

    async def _asks(self, request: web.Request) -> web.Response:
        return _html(f"<!doctype html><title>asked</title><h1>asked {request.query_string}</h1>")

    async def _posts(self, request: web.Request) -> web.Response:
        name = str((await request.post()).get("name", ""))
        raise web.HTTPSeeOther(f"/asks?posted={name}")

    async def _leaves(self, _request: web.Request) -> web.Response:
        raise web.HTTPSeeOther(f"http://{OUTSIDE}/counted?a=b")

    async def _refreshed(self, request: web.Request) -> web.Response:
        where = "/page/plain?header"
        if request.query_string == "out":
            where = f"http://{OUTSIDE}/"
        return web.Response(
            text="<h1>wait</h1>", content_type="text/html", headers={"Refresh": f"0; url={where}"}
        )

    async def _media(self, request: web.Request) -> web.Response:
        is_film = request.path.endswith(".webm")
        data, kind = (film(), "video/webm") if is_film else (_wav(), "audio/wav")
        asked = request.headers.get("Range", "")
        if request.path.startswith("/whole") or not asked:
            return web.Response(body=data, content_type=kind)
        self.ranges[request.path].append(asked)
        start, _, last = asked.removeprefix("bytes=").partition("-")
        first, end = int(start), int(last or len(data) - 1) + 1
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {first}-{end - 1}/{len(data)}",
            "ETag": '"one"',
        }
        return web.Response(status=206, body=data[first:end], content_type=kind, headers=headers)


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


async def _sprite(_request: web.Request) -> web.Response:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg"><symbol id="dot" viewBox="0 0 8 8">'
        '<circle cx="4" cy="4" r="4"/></symbol></svg>'
    )
    return web.Response(text=text, content_type="image/svg+xml")


async def _drawing(_request: web.Request) -> web.Response:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg"><title>drawing</title><text y="20">drawn</text>'
        "<script>document.querySelector('text').textContent = typeof RTCPeerConnection</script>"
        "</svg>"
    )
    return web.Response(text=text, content_type="image/svg+xml")


async def _empty(_request: web.Request) -> web.Response:
    return web.Response(status=204)


async def _tagged(request: web.Request) -> web.Response:
    is_same = request.headers.get("If-None-Match") == '"one"'
    return web.Response(status=304 if is_same else 200, headers={"ETag": '"one"'})


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["code"]), reason="Whatever", text="told")


async def _named(_request: web.Request) -> web.Response:
    headers = {"Content-Disposition": 'attachment; filename="отчёт.txt"'}
    return web.Response(body=b"attached", content_type="text/plain", headers=headers)


async def _zipped(_request: web.Request) -> web.Response:
    body = gzip.compress(json.dumps({"zipped": True}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return web.Response(body=body, headers=headers)


async def _big(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(BIG_BYTES), content_type="application/octet-stream")


async def _module(_request: web.Request) -> web.Response:
    text = "export const greeting = 'imported';"
    return web.Response(text=text, content_type="text/javascript")


async def _pdf(_request: web.Request) -> web.Response:
    return web.Response(body=b"%PDF-1.4\n%%EOF\n", content_type="application/pdf")


async def _feed(_request: web.Request) -> web.Response:
    text = "<?xml version='1.0'?><rss version='2.0'><channel><title>feed</title></channel></rss>"
    return web.Response(text=text, content_type="application/rss+xml")


async def _cyrillic(request: web.Request) -> web.Response:
    how = request.match_info["how"]
    meta = '<meta charset="windows-1251">' if how == "meta" else ""
    # Browsers look for the encoding in the first 1024 bytes only.
    filling = f"<!-- {'x' * 900} -->" if how == "meta" else ""
    text = (
        f"<!doctype html><html><head>{filling}{meta}<title>новости</title></head><h1>новости</h1>"
    )
    encoding = {"header": "windows-1251", "meta": "windows-1251", "wide": "utf-16-le"}[how]
    headers = {"Content-Type": "text/html"}
    if how != "meta":
        headers["Content-Type"] += f"; charset={encoding.removesuffix('-le')}"
    return web.Response(body=text.encode(encoding), headers=headers)


def _wav() -> bytes:
    """Return silence of SOUND_S seconds, 16 bits and one channel."""
    size = SOUND_S * SOUND_HZ * 2
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1,
                       SOUND_HZ, SOUND_HZ * 2, 2, 16, b"data", size)  # fmt: skip
    return head + bytes(size)
