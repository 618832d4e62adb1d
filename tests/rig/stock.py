"""A site with many small files: pictures, an npm registry and a git repository, in plain HTTP."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from passerelle.io.server.web import WebServer

HOST = "127.0.0.1"
FILES = 600
PACKAGES = 120
COMMITS = 60


@dataclass(slots=True)
class Stock:
    """A running site."""

    url: str
    paths: list[str]
    """The paths that were asked for."""


@asynccontextmanager
async def stock(folder: Path) -> AsyncIterator[Stock]:
    """Run the site, with its files in `folder`."""
    files = folder / "files"
    files.mkdir()
    for number in range(FILES):
        (files / str(number)).write_text(f"picture {number}")
    _make_repository(folder / "work", folder / "garden.git")
    served = Stock("", [])
    app = web.Application()

    async def package(request: web.Request) -> web.Response:
        served.paths.append(request.path)
        name = request.match_info["name"]
        return web.json_response(_describe(name, served.url))

    async def archive(request: web.Request) -> web.Response:
        served.paths.append(request.path)
        return web.Response(body=_pack(request.match_info["name"]))

    async def file(request: web.Request) -> web.StreamResponse:
        served.paths.append(request.path)
        path = folder / request.path.removeprefix("/stock/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    app.router.add_get("/npm/{name}", package)
    app.router.add_get("/npm/{name}/pack.tgz", archive)
    app.router.add_get("/stock/{path:.*}", file)
    async with WebServer(app, HOST, 0, grace_s=0.2) as server:
        served.url = f"http://{HOST}:{server.port}"
        yield served


def _describe(name: str, url: str) -> dict[str, object]:
    """Return what a registry says of a package; `garden` depends on all others."""
    digest = base64.b64encode(hashlib.sha512(_pack(name)).digest()).decode()
    version = {
        **json.loads(_manifest(name)),
        "dist": {"tarball": f"{url}/npm/{name}/pack.tgz", "integrity": f"sha512-{digest}"},
    }
    return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def _manifest(name: str) -> str:
    needs = {f"tulip-{n}": "1.0.0" for n in range(PACKAGES)} if name == "garden" else {}
    return json.dumps({"name": name, "version": "1.0.0", "dependencies": needs})


def _pack(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        text = _manifest(name).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(packed.getvalue(), mtime=0)


def _make_repository(work: Path, bare: Path) -> None:
    """Make a repository whose objects lie one by one, as plain HTTP serves them."""

    def git(*words: str, cwd: Path) -> None:
        who = ("-c", "user.name=garden", "-c", "user.email=garden@example.org")
        subprocess.run(["git", *who, *words], cwd=cwd, check=True, capture_output=True)

    work.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=work)
    for number in range(COMMITS):
        (work / f"{number}.txt").write_text(f"tulip {number}\n")
        git("add", ".", cwd=work)
        git("commit", "--quiet", "-m", f"plant {number}", cwd=work)
    git("clone", "--quiet", "--bare", "--no-hardlinks", str(work), str(bare), cwd=work)
    git("update-server-info", cwd=bare)
