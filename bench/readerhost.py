"""A blocked newspaper with its network, a mirror of its reading page, and a volunteer's page.

python -m bench.readerhost ADDRESS FOLDER

All of it is on ports of one address, but for the newspaper, which only the exit reaches. When
everything runs, one line of JSON names the places. An nginx in front of the newspaper speaks HTTP/2
with TLS, for visits without Passerelle.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

from aiohttp import web

from passerelle import readingpage
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.demo import herald, sites
from passerelle.demo.reading import static_host
from passerelle.demo.run import HOST
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.settings import ExitSettings
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from passerelle.listen import ListenAddress
from passerelle.readingpage import ReadingPage
from passerelle.serve import BUILT_WIDGET, ServeConfig, Servers
from passerelle.wire.gatewaykeys import SEED_BYTES, GatewaySeed, day_at
from tests.rig.certificate import Certificate
from tests.rig.ports import free_port
from tests.rig.program import Program

PICTURES: Final = 20
"""Pictures of one story."""
LARGE_BYTES: Final = 3_000_000
BLOCK_BYTES: Final = 256 * 1024
STUN_PORT: Final = 3478
NGINX: Final = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off;
  proxy_temp_path {folder}; client_body_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen {address}:{port} ssl http2;
    ssl_certificate {pem}; ssl_certificate_key {key};
    location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; }}
  }}
}}
"""


def newspaper() -> web.Application:
    """Return the demo's newspaper, with stories of many pictures and one large file."""
    app = herald.newspaper()
    app.router.add_get("/long/{kb}/{number}", _story)
    app.router.add_get("/photo/{kb}/{name}", _photo)
    app.router.add_get("/large", _large)
    app.router.add_get("/endless", _endless)
    return app


async def _story(request: web.Request) -> web.Response:
    kb, number = int(request.match_info["kb"]), int(request.match_info["number"])
    pictures = "".join(f'<img src="/photo/{kb}/{number}-{n}" alt="">' for n in range(PICTURES))
    link = f'<a id="next" href="/long/{kb}/{number + 1}">Next</a>'
    text = f"<h1>Story {number}</h1>{link}{pictures}"
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


async def _photo(request: web.Request) -> web.Response:
    # What stands behind a picture's end is ignored.
    size = 1000 * int(request.match_info["kb"])
    body = _PICTURE + secrets.token_bytes(max(0, size - len(_PICTURE)))
    return web.Response(body=body, content_type="image/png", headers={"Cache-Control": "no-store"})


async def _large(request: web.Request) -> web.Response:
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
    headers = {"ETag": '"one"', "Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{LARGE_BYTES - 1}/{LARGE_BYTES}"
    body = bytes(LARGE_BYTES - start)
    return web.Response(body=body, headers=headers, status=206 if start else 200)


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    await response.prepare(request)
    block = secrets.token_bytes(BLOCK_BYTES)
    with suppress(ConnectionError):
        while True:
            await response.write(block)
    return response


async def _serve(address: str, folder: Path) -> None:
    async with AsyncExitStack() as stack:

        async def host(app: web.Application, where: str = address) -> int:
            server = await stack.enter_async_context(WebServer(app, where, 0))
            return server.port

        site_port = await host(newspaper(), HOST)
        servers = await stack.enter_async_context(_network(address, site_port))
        page = ReadingPage(
            site=(f"http://{herald.NAME}:{site_port}",),
            invite=str(servers.invite.plain),
            brokers=(servers.invite.url,),
            document=servers.document,
        )
        mirror_port = await host(static_host(readingpage.mirror(readingpage.built(), page)))
        assert servers.tag is not None
        publisher_port = await host(sites.publisher(servers.tag))
        await stack.enter_async_context(
            Program(*_nginx(address, folder, port := free_port(), f"{HOST}:{site_port}"))
        )
        places = {
            "mirror": f"http://{address}:{mirror_port}",
            "publisher": f"http://{address}:{publisher_port}",
            "broker": servers.invite.url,
            "direct": f"https://{address}:{port}",
        }
        print("ready " + json.dumps(places), flush=True)
        await asyncio.get_running_loop().create_future()


def _network(address: str, site_port: int) -> Servers:
    port = free_port()
    seed = secrets.token_bytes(SEED_BYTES)
    config = ServeConfig(
        name="Passerelle bench",
        url=f"http://{address}:{port}",
        listen=ListenAddress(address, port),
        settings=ExitSettings(
            policy=ConnectionPolicy(
                allow=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")),
                ports=frozenset({site_port}),
                sites=(herald.NAME,),
            ),
            gateway=GatewaySettings(plain_http=True),
        ),
        gateway_seed=lambda now_s: GatewaySeed(day_at(now_s) - 1, seed),
        stun_listen=ListenAddress(address, STUN_PORT),
        widget_dir=BUILT_WIDGET,
    )
    return Servers(config, Keyring.generate())


def _nginx(address: str, folder: Path, port: int, upstream: str) -> list[str]:
    made = Certificate.make(folder)
    names = {"pem": made.pem, "key": made.key, "folder": folder, "address": address}
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(**names, port=port, upstream=upstream))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(path)]


_PICTURE: Final = herald.picture("bridge", 32, 18)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
