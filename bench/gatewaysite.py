"""A publisher's site under load: a story that may be shared, one that may not, and a film.

python -m bench.gatewaysite PORT CERTIFICATE KEY
"""

from __future__ import annotations

import asyncio
import ssl
import sys

from aiohttp import web

STORY = b"A story of ordinary length. " * 200
PIECE = bytes(64 * 1024)
FILM_BYTES = 64 * 1024 * 1024


async def _shared(_request: web.Request) -> web.Response:
    return web.Response(body=STORY, headers={"Cache-Control": "public, max-age=3600"})


async def _own(_request: web.Request) -> web.Response:
    return web.Response(body=STORY, headers={"Cache-Control": "no-store"})


async def _film(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_length = FILM_BYTES
    await response.prepare(request)
    for _ in range(FILM_BYTES // len(PIECE)):
        await response.write(PIECE)
    return response


async def _serve(port: int, certificate: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_get("/shared", _shared)
    app.router.add_get("/own", _own)
    app.router.add_get("/film", _film)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
