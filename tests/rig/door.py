"""A real nginx, Caddy, PHP or edge runtime as a door, set up by `integrations/door/`.

As a program, for namespaces: python -m tests.rig.door KIND ADDRESS PORT BROKER EXIT KEY FOLDER
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from passerelle.serve import EXIT_ID
from tests.rig.frontserver import HOST, caddy_line, listening, nginx_line, program

ROOT: Final = Path(__file__).resolve().parents[2]
DOOR: Final = ROOT / "integrations" / "door"
WORKERD: Final = ROOT / "widget" / "node_modules" / ".bin" / "workerd"

_CAPNP = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "door", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "2026-01-01",
    )),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "%s", http = (), service = "door")],
);
"""


def _filled_in(name: str, upstream: str, key: str, exit_id: str) -> str:
    """Return a file of the folder with what an operator of a door puts in."""
    text = (DOOR / name).read_text(encoding="utf-8")
    assert "https://bridge.example" in text
    assert "THE-KEY" in text
    text = text.replace("https://bridge.example", upstream).replace("THE-KEY", key)
    return text.replace(EXIT_ID, exit_id)


def _nginx(port: int, upstream: str, key: str, folder: Path, exit_id: str) -> list[str]:
    text = _filled_in("nginx.conf", upstream, key, exit_id)
    text = text.replace("bridge.example", upstream.partition("://")[2])
    return nginx_line(f"server {{ listen {HOST}:{port};\n{text} }}", folder)


def _caddy(port: int, upstream: str, key: str, folder: Path, exit_id: str) -> list[str]:
    text = _filled_in("Caddyfile", upstream, key, exit_id)
    text = text.replace("\nnews.example {", f"\nhttp://{HOST}:{port} {{\n\tbind {HOST}")
    return caddy_line("{\n\tadmin off\n\tauto_https off\n}\n" + text, folder)


def _php(port: int, upstream: str, key: str, folder: Path, exit_id: str) -> list[str]:
    (folder / "door.php").write_text(
        _filled_in("door.php", upstream, key, exit_id), encoding="utf-8"
    )
    return [program("php"), "-S", f"{HOST}:{port}", "-t", str(folder), str(folder / "door.php")]


def _edge(port: int, upstream: str, key: str, folder: Path, exit_id: str) -> list[str]:
    (folder / "edge.js").write_text(_filled_in("edge.js", upstream, key, exit_id), encoding="utf-8")
    (folder / "config.capnp").write_text(_CAPNP % f"{HOST}:{port}", encoding="utf-8")
    assert WORKERD.exists(), "workerd is missing: run `make setup-test`"
    return [str(WORKERD), "serve", str(folder / "config.capnp")]


DOORS: Final[dict[str, Callable[[int, str, str, Path, str], list[str]]]] = {
    "nginx": _nginx,
    "Caddy": _caddy,
    "PHP": _php,
    "edge": _edge,
}
WITH_LINKS: Final = ("nginx", "Caddy", "edge")
"""The doors that WebSockets pass."""


def door_url(port: int) -> str:
    """Return the base URL of a door."""
    return f"http://{HOST}:{port}/passerelle"


@asynccontextmanager
async def door(
    kind: str, port: int, upstream: str, key: str, folder: Path, *, exit_id: str = EXIT_ID
) -> AsyncIterator[None]:
    """Run a door of `DOORS` on `port`; broker and exit are at the base URL `upstream`."""
    line = DOORS[kind](port, upstream, key, folder, exit_id)
    async with listening(line, port, folder, PHP_CLI_SERVER_WORKERS="8"):
        yield


def served_paths() -> list[str]:
    """Return the paths that nginx.conf names: the other files serve the same ones."""
    return re.findall(r"location = (\S+)", (DOOR / "nginx.conf").read_text(encoding="utf-8"))


def _run(kind: str, address: str, port: str, broker: str, at: str, key: str, folder: str) -> None:
    """Become a door at another address than loopback, for an exit elsewhere than its broker."""
    place = Path(folder)
    place.mkdir()
    line = DOORS[kind](int(port), broker, key, place, EXIT_ID)
    for path in place.iterdir():
        text = path.read_text(encoding="utf-8").replace(f"{HOST}:{port}", f"{address}:{port}")
        for what in ("gateway", "link"):
            text = text.replace(f"{broker}/v1/{what}", f"{at}/v1/{what}")
        text = text.replace(f"'{EXIT_ID}' => '{broker}'", f"'{EXIT_ID}' => '{at}'")
        path.write_text(text, encoding="utf-8")
    words = [word.replace(f"{HOST}:{port}", f"{address}:{port}") for word in line]
    print("ready", flush=True)
    os.execve(words[0], words, {"PATH": "/usr/bin", "HOME": folder, "PHP_CLI_SERVER_WORKERS": "8"})


if __name__ == "__main__":
    _run(*sys.argv[1:])
