"""Serve pages whose text and headers a test chooses, with the switch on them."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from passerelle.broker.assets import Assets
from passerelle.io.server.web import WebServer, application
from passerelle.serve import BUILT_WIDGET

NO_NETWORK = f"https://broker.invalid/#{'A' * 43}"
"""An invite to a network whose servers do not exist."""
_PAGE = """<!doctype html><html lang="{lang}" dir="{dir}"><meta charset="utf-8"><title>Stage</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script type="module" crossorigin src="{script}"></script>
{body}</html>"""


class Stage:
    """Serves the pages given to `put`, during an `async with`."""

    def __init__(self, script: str) -> None:
        """`script` is the URL of the widget's script."""
        self.script = script
        self._pages: dict[str, tuple[str, Mapping[str, str]]] = {}
        app = web.Application()
        app.router.add_get("/{name}", self._page)
        self._server = WebServer(app, "127.0.0.1", 0)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the pages."""
        return f"http://127.0.0.1:{self._server.port}"

    def put(
        self,
        name: str,
        body: str,
        *,
        lang: str = "en",
        direction: str = "ltr",
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Add a page with the script and `body`; return its URL."""
        text = _PAGE.format(lang=lang, dir=direction, script=self.script, body=body)
        self._pages[name] = (text, headers or {})
        return f"{self.origin}/{name}"

    async def _page(self, request: web.Request) -> web.Response:
        text, headers = self._pages[request.match_info["name"]]
        return web.Response(text=text, content_type="text/html", headers=headers)


@asynccontextmanager
async def lone_stage() -> AsyncIterator[Stage]:
    """Yield a stage whose script's server has the widget's files and nothing else."""
    app = application()
    app.router.add_get("/w/{file}", Assets(BUILT_WIDGET, entry_age_s=60).handle)
    async with (
        WebServer(app, "127.0.0.1", 0) as server,
        Stage(f"http://127.0.0.1:{server.port}/w/passerelle.js") as running,
    ):
        yield running


def tag(network: str = NO_NETWORK, **attributes: str) -> str:
    """Return the switch's tag. Underscores in attribute names become hyphens."""
    values = {"network": network, **attributes}
    words = (f'{name.replace("_", "-")}="{html.escape(value)}"' for name, value in values.items())
    return f"<passerelle-switch {' '.join(words)}></passerelle-switch>"
