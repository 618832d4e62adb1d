"""What an exit shows to everybody without a ticket: an ordinary web server.

All paths are answered here, the link endpoint's too, so that it answers exactly as a path that does
not exist. With a folder, its static files are served, and its `404.html` for what does not exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from passerelle.errors import ConfigError
from passerelle.limits import DECOY_FILES, DECOY_PAGE_BYTES

INDEX: Final = "index.html"
MISSING: Final = "404.html"
_MISSING_PAGE: Final = (
    b"<!doctype html>\n<html><head><title>404 Not Found</title></head>\n"
    b"<body><h1>Not Found</h1></body></html>\n"
)


class DecoySite:
    """A static site. It is indexed once, and serves only files that existed then."""

    def __init__(self, folder: Path | None = None) -> None:
        """Index `folder`; None is an empty site. Raises ConfigError when it cannot be served."""
        self._files: dict[str, Path] = {}
        self._folders: set[str] = set()
        self._missing = _MISSING_PAGE
        if folder is not None:
            self._index(folder)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer as a web server with these files does."""
        path = request.path
        if path in self._folders:
            return web.Response(status=301, headers={"Location": f"{request.rel_url.raw_path}/"})
        file = self._files.get(path)
        if file is None:
            return web.Response(status=404, body=self._missing, content_type="text/html")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        return web.FileResponse(file)

    def _index(self, folder: Path) -> None:
        root = folder.resolve()
        if not root.is_dir():
            raise ConfigError(
                f"The decoy site {folder} is no folder. Name a folder with an index.html in it."
            )
        try:
            for path in sorted(root.rglob("*")):
                # A link out of the folder would publish what was never meant to be.
                if path.is_file() and path.resolve().is_relative_to(root):
                    self._add(path, path.relative_to(root).as_posix())
            if (root / MISSING).is_file():
                self._missing = _read(root / MISSING)
        except OSError as error:
            raise ConfigError(
                f"The decoy site {folder} cannot be read ({error.strerror}). Check its permissions."
            ) from error

    def _add(self, path: Path, name: str) -> None:
        if len(self._files) >= DECOY_FILES:
            raise ConfigError(
                f"The decoy site has more than {DECOY_FILES} files. Take a smaller site."
            )
        self._files[f"/{name}"] = path
        if path.name == INDEX:
            parent = f"/{name.removesuffix(INDEX)}"
            self._files[parent] = path
            if parent != "/":
                self._folders.add(parent.removesuffix("/"))


def _read(page: Path) -> bytes:
    if page.stat().st_size > DECOY_PAGE_BYTES:
        raise ConfigError(f"{page} has more than {DECOY_PAGE_BYTES} bytes. Make it shorter.")
    return page.read_bytes()
