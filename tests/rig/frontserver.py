"""A real nginx or Caddy in front of a server, set up by the files in `deploy/`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from asyncio.subprocess import STDOUT
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "127.0.0.1"
START_S = 10.0
POLL_S = 0.02

_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi; access_log off;
    {server}
}}
"""


def program(name: str) -> str:
    """Return where a program is; a machine without it fails, it does not skip."""
    found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    assert found is not None, f"{name} is missing: run `make setup-test`"
    return found


def nginx_stanza(port: int, upstream: int) -> str:
    """Return `deploy/nginx.conf` for plain http on `port`, before a server on `upstream`."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"listen 443 .*;", f"listen {HOST}:{port};", text)
    text = re.sub(r"\n *(ssl_certificate|ssl_certificate_key|error_log) .*", "", text)
    assert "http://127.0.0.1:8080" in text
    return text.replace("http://127.0.0.1:8080", f"http://{HOST}:{upstream}")


def plain_nginx(port: int, upstream: int) -> str:
    """Return what people write first: a `proxy_pass` and nothing else."""
    target = f"http://{HOST}:{upstream}"
    return f"server {{ listen {HOST}:{port}; location / {{ proxy_pass {target}; }} }}"


def caddy_stanza(port: int, upstream: int) -> str:
    """Return `deploy/Caddyfile` for plain http on `port`, before a server on `upstream`."""
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert "\nbridge.example {" in text
    text = text.replace("\nbridge.example {", f"\nhttp://{HOST}:{port} {{\n\tbind {HOST}")
    options = "{\n\tadmin off\n\tauto_https off\n}\n"
    return options + text.replace("127.0.0.1:8080", f"{HOST}:{upstream}")


def nginx_line(stanza: str, folder: Path) -> list[str]:
    """Return the command line of an nginx with `stanza`."""
    path = folder / "nginx.conf"
    path.write_text(_NGINX.format(folder=folder, server=stanza), encoding="utf-8")
    return [program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(path)]


def caddy_line(stanza: str, folder: Path) -> list[str]:
    """Return the command line of a Caddy with `stanza`."""
    path = folder / "Caddyfile"
    path.write_text(stanza, encoding="utf-8")
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(path)]


FRONTS: dict[str, tuple[Callable[[int, int], str], Callable[[str, Path], list[str]]]] = {
    "nginx": (nginx_stanza, nginx_line),
    "plain nginx": (plain_nginx, nginx_line),
    "Caddy": (caddy_stanza, caddy_line),
}
"""How each server's stanza and command line are made."""


@asynccontextmanager
async def front_server(kind: str, port: int, upstream: int, folder: Path) -> AsyncIterator[None]:
    """Run a server of `FRONTS` on `port`, before the one on `upstream`."""
    make, start = FRONTS[kind]
    async with listening(start(make(port, upstream), folder), port, folder):
        yield


@asynccontextmanager
async def listening(
    line: Sequence[str], port: int, folder: Path, **environment: str
) -> AsyncIterator[None]:
    """Run a server by its command line, from when it listens on `port`."""
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *line,
            stdout=output,
            stderr=STDOUT,
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin", **environment},
            process_group=0,
        )
    try:
        async with asyncio.timeout(START_S):
            await _listens(process, port, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            # PHP's own server leaves its workers behind.
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if process.returncode is not None:
                raise AssertionError(log.read_text(encoding="utf-8")) from None
            await asyncio.sleep(POLL_S)  # the server tells nobody when it listens
        else:
            writer.close()
            return
