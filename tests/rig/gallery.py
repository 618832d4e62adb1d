"""Serve a page that shows the switch in any layout, theme, language and invented state.

Its Content Security Policy has the lines that `core.embed.policy` tells publishers to add, and no
other exceptions.
"""

from __future__ import annotations

import html
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from passerelle.broker.assets import Assets
from passerelle.core import embed
from passerelle.io.server.web import WebServer
from passerelle.serve import BUILT_WIDGET, widget_script

HOST: Final = "127.0.0.1"
_PAGE: Final = """<!doctype html><html lang="{lang}" dir="{dir}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Morning Heron</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/w/{file}" integrity="{integrity}" crossorigin></script></head>
<body><main><h1>The Morning Heron</h1>
<passerelle-switch layout="{layout}" theme="{theme}" mock="{mock}"></passerelle-switch>
</main></body></html>"""
_STYLE: Final = """body { margin: 0; min-height: 100vh; background: #fff; color: #17252c; }
h1 { font-family: sans-serif; }
body:has([theme=dark]) { background: #0c1215; color: #e8eef0; }
main { padding: 1.5rem; }
h1 { font-size: 1rem; }"""


class Gallery:
    """Serves the page during an `async with`."""

    def __init__(self) -> None:
        assets = Assets(BUILT_WIDGET, entry_age_s=60)
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/page.css", self._style)
        app.router.add_get("/w/{file}", assets.handle)
        self._server = WebServer(app, HOST, 0)
        self._script = widget_script(BUILT_WIDGET)

    @property
    def base(self) -> str:
        """The URL of the server."""
        return f"http://{HOST}:{self._server.port}"

    def url(
        self,
        *,
        layout: str = "panel",
        theme: str = "auto",
        mock: str = "helping",
        lang: str = "en",
        direction: str = "ltr",
    ) -> str:
        """Return the URL at which the switch is shown with these settings."""
        words = f"layout={layout}&theme={theme}&mock={mock}&lang={lang}&dir={direction}"
        return f"{self.base}/?{words}"

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

    async def _page(self, request: web.Request) -> web.Response:
        words = {name: html.escape(value) for name, value in request.query.items()}
        text = _PAGE.format(
            **words, file=self._script.file, integrity=html.escape(self._script.integrity)
        )
        lines = embed.policy(self.base, [self.base], []).replace("\n", " ")
        policy = f"default-src 'none'; style-src 'self'; img-src data:; {lines}"
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(text=_STYLE, content_type="text/css")
