"""Serve a reading page's files as a static host does.

`python -m tests.rig.mirror HOST PORT FOLDER` runs it. Each request is printed as a line of JSON:
its path with its query, its cookies, and the page that it comes from.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from passerelle.demo.reading import static_host
from passerelle.io.server.web import WebServer
from tests.rig.reading import noting


async def _run(host: str, port: int, folder: Path) -> None:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    app = static_host({str(path.relative_to(folder)): path.read_bytes() for path in paths})
    app.middlewares.append(noting(_note))
    async with WebServer(app, host, port):
        print("ready", flush=True)
        await asyncio.Event().wait()


def _note(request: web.Request) -> None:
    told = (request.headers.get(name, "") for name in ("Cookie", "Referer"))
    print(json.dumps([request.path_qs, *told]), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
