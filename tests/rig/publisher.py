"""Serve a news site's page with the widget on it.

`python -m tests.rig.publisher HOST PORT INVITE` does it as a program; with `--hosts-widget` at the
end it serves the widget's files, too.
"""

from __future__ import annotations

import asyncio
import html
import sys
from types import TracebackType
from typing import Self

from aiohttp import web

from passerelle.broker.assets import Assets
from passerelle.io.server.web import WebServer
from passerelle.serve import BUILT_WIDGET

TITLE = "The Morning Heron, a newspaper"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="data:,">
<script type="module" src="{script}"></script>
<passerelle-switch network="{invite}"></passerelle-switch></html>"""


class Publisher:
    """Serves the page during an `async with`."""

    def __init__(
        self, invite: str, host: str = "127.0.0.1", port: int = 0, *, hosts_widget: bool = False
    ) -> None:
        """Without `hosts_widget`, the page loads the script from the invite's broker."""
        self._host = host
        base = "" if hosts_widget else invite.split("/#", maxsplit=1)[0]
        text = _PAGE.format(
            title=TITLE, script=f"{base}/w/passerelle.js", invite=html.escape(invite)
        )
        app = web.Application()

        async def page(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        app.router.add_get("/", page)
        if hosts_widget:
            app.router.add_get("/w/{file}", Assets(BUILT_WIDGET, entry_age_s=60).handle)
        self._server = WebServer(app, host, port)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.port

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://{self._host}:{self._server.port}/"

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


async def _run(host: str, port: str, invite: str, *more: str) -> None:
    async with Publisher(invite, host, int(port), hosts_widget="--hosts-widget" in more):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
