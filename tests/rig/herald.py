"""Serve the blocked newspaper over HTTPS, with a film: `python -m tests.rig.herald HOST FOLDER`.

`FOLDER` holds the certificate, `site.pem` and `site.key`. Each request is printed as a line: its
path, and the part of the file that it asks for.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from aiohttp import web

from passerelle.demo import herald
from passerelle.io.server.web import WebServer
from tests.rig.certificate import Certificate
from tests.rig.film import film
from tests.rig.reading import noting

PORT = 443
PAGE = """<!doctype html><title>Film</title><h1>The river, filmed</h1>
<video src="/film.webm" muted controls preload="metadata"></video>"""


async def _run(host: str, folder: Path) -> None:
    file = Path(tempfile.mkdtemp()) / "film.webm"
    file.write_bytes(film())
    app = herald.newspaper()
    app.middlewares.append(noting(_note))

    async def page(_request: web.Request) -> web.Response:
        response = web.Response(text=PAGE, content_type="text/html")
        response.set_cookie("visitor", "0123456789abcdef")
        return response

    async def whole(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(file)

    app.router.add_get("/film", page)
    app.router.add_get("/film.webm", whole)
    certificate = Certificate(folder / "site.pem", folder / "site.key")
    async with WebServer(app, host, PORT, tls=certificate.context()):
        print("ready", flush=True)
        await asyncio.Event().wait()


def _note(request: web.Request) -> None:
    print(request.path, request.headers.get("Range", ""), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], Path(sys.argv[2])))
