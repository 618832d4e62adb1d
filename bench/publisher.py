"""A publisher's page with the widget on it: `python -m bench.publisher ADDRESS PORT INVITE`."""

from __future__ import annotations

import html
import sys

from aiohttp import web

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A newspaper</title>
<link rel="icon" href="data:,">
<script type="module" src="{script}"></script>
<passerelle-switch network="{invite}"></passerelle-switch></html>"""


def main() -> None:
    """Serve until the process is ended."""
    address, port, invite = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    base = invite.split("/#", maxsplit=1)[0]
    text = PAGE.format(script=f"{base}/w/passerelle.js", invite=html.escape(invite))

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    web.run_app(app, host=address, port=port, access_log=None)


if __name__ == "__main__":
    main()
