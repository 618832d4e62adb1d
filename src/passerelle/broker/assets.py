"""The built widget's files, from memory.

`manifest.json` names the built files by their parts, and only those are served. No path of the file
system is ever made from a request.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import web

from passerelle import serverlimits
from passerelle.broker.old_builds import keep
from passerelle.core.embed import Script
from passerelle.errors import ConfigError
from passerelle.io.server.web import is_from_page

MANIFEST = "manifest.json"
ENTRY = "passerelle.js"
"""The plain name that publishers' pages ask for; it leads to the part called `element`."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".txt": "text/plain",
}
_TEXT_TYPES = ("text/javascript", "text/css", "text/html", "text/plain")
_FOREVER = "public, max-age=31536000, immutable"
_CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Part(msgspec.Struct, frozen=True):
    """One entry of the manifest. Further fields, which are for other programs, are ignored."""

    file: str
    integrity: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: bytes
    """The same, gzipped."""
    content_type: str
    cache: str


class Assets:
    """The handler of `GET /w/{file}`."""

    def __init__(self, directory: Path, *, entry_age_s: int, kept_dir: Path | None = None) -> None:
        """Read all files that the manifest in `directory` lists.

        They are added to `kept_dir`, and those of earlier builds there are served too. Caches may
        keep the entry point's redirect and the manifest for `entry_age_s`. Raises ConfigError with
        a sentence for a person when something is missing.
        """
        self._short = f"public, max-age={entry_age_s}"
        manifest = _read(directory, MANIFEST)
        try:
            parts = msgspec.json.decode(manifest, type=dict[str, _Part])
        except msgspec.MsgspecError:
            raise _broken(directory, f"its {MANIFEST} cannot be read") from None
        if "element" not in parts or len(parts) > serverlimits.WIDGET_FILES:
            raise _broken(directory, f"its {MANIFEST} is not that of the widget")
        self.parts = {name: Script(part.file, part.integrity) for name, part in parts.items()}
        """Each part's file and its hash."""
        self._entry = parts["element"].file
        built = {part.file: _read(directory, part.file) for part in parts.values()}
        earlier = keep(kept_dir, built) if kept_dir else {}
        self._files = {
            name: _file(name, body, _FOREVER) for name, body in {**earlier, **built}.items()
        }
        self._files[MANIFEST] = _file(MANIFEST, manifest, self._short)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with a file, or send the entry point on to its hashed name."""
        response = self._answer(request.match_info["file"], packed=takes_gzip(request))
        if is_from_page(request):
            response.force_close()
        return response

    def _answer(self, name: str, *, packed: bool) -> web.Response:
        file = self._files.get(name)
        if file is not None:
            return _respond(file, packed=packed)
        if name != ENTRY:
            raise web.HTTPNotFound
        # The location is relative, so that it holds behind a proxy that serves the broker under a
        # path of the proxy's own.
        headers = {"Location": self._entry, "Cache-Control": self._short, **_CROSS_ORIGIN}
        return web.Response(status=302, headers=headers)


def script_in(manifest: bytes) -> Script | None:
    """Return the script that pages load, from the text of a manifest; None if it names none."""
    try:
        part = msgspec.json.decode(manifest, type=dict[str, _Part])["element"]
    except (KeyError, msgspec.MsgspecError):
        return None
    return Script(part.file, part.integrity) if part.integrity else None


def _respond(file: _File, *, packed: bool) -> web.Response:
    headers = {
        "Content-Type": file.content_type,
        "Cache-Control": file.cache,
        "Vary": "Accept-Encoding",
        **_CROSS_ORIGIN,
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=file.packed if packed else file.body, headers=headers)


def takes_gzip(request: web.Request) -> bool:
    """Whether gzip is named with a weight above zero (RFC 9110 §12.5.3)."""
    for choice in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = choice.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False


def _file(name: str, body: bytes, cache: str) -> _File:
    content_type = _TYPES.get(Path(name).suffix, "application/octet-stream")
    if content_type in _TEXT_TYPES:
        content_type += "; charset=utf-8"
    return _File(body, gzip.compress(body, mtime=0), content_type, cache)


def _read(directory: Path, name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise _broken(directory, f"its {MANIFEST} lists a name that is not a plain file name")
    path = directory / name
    try:
        if path.stat().st_size > serverlimits.WIDGET_FILE_BYTES:
            raise _broken(directory, f"its file {name} is too large")
        return path.read_bytes()
    except OSError:
        raise _broken(directory, f"its file {name} cannot be read") from None


def _broken(directory: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"The widget in {directory} cannot be served: {reason}. Build it with `make widget`, or "
        "name the directory of a built widget."
    )
