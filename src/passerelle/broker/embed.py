"""The page at `/embed`: a publisher chooses how the switch looks, and takes the tag.

The page carries everything in its text, and its policy lets it connect to nothing: the preview is
the switch itself, in a mode that shows invented states. Its script is built with the widget.
"""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import Final

from aiohttp import web

from passerelle.broker.assets import Assets
from passerelle.broker.config import BrokerConfig
from passerelle.core import embed
from passerelle.core.embed import Script
from passerelle.wire.invite import Invite

PAGE: Final = Path(__file__).parent / "pages" / "embed.html"
EDITOR: Final = "embed"
STYLE: Final = "embed_style"
"""The parts of the built widget that belong to this page."""

HEADERS: Final = {
    # `connect-src` is not granted: whatever the preview is told, it can reach nobody.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types passerelle"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_UNKNOWN_KEY: Final = bytes(32)


class Editor:
    """The handler of `GET /embed`."""

    def __init__(self, config: BrokerConfig, assets: Assets) -> None:
        """Make the page once; it is the same for everybody."""
        self._page = _page(config, assets.parts)
        self._headers = {**HEADERS, "Cache-Control": f"public, max-age={config.document_age_s}"}

    async def handle(self, _request: web.Request) -> web.Response:
        """Answer with the page, or say that this widget was built without it."""
        if self._page is None:
            raise web.HTTPNotFound(text="This widget was built without its settings page.\n")
        return web.Response(text=self._page, content_type="text/html", headers=self._headers)


def _page(config: BrokerConfig, parts: dict[str, Script]) -> str | None:
    script, editor, style = (parts.get(name) for name in ("element", EDITOR, STYLE))
    if script is None or editor is None or style is None:
        return None
    network = config.descriptor
    # A broker that was not told its invite knows its address, and lets the publisher fill it in.
    invite = config.invite or Invite(network.brokers[0].url, _UNKNOWN_KEY)
    policy = embed.policy(
        invite.url, [entry.url for entry in network.brokers], [entry.url for entry in network.exits]
    )
    values = {
        "name": network.name,
        "invite": str(config.invite or ""),
        "source": script.source(invite.url),
        "integrity": script.integrity,
        "tag": embed.tag(script, invite) if config.invite else "",
        "policy": policy,
        # Relative, so that they hold behind a proxy which serves us under a path of its own.
        "switch": f"w/{script.file}",
        "switch_integrity": script.integrity,
        "editor": f"w/{editor.file}",
        "editor_integrity": editor.integrity,
        "style": f"w/{style.file}",
        "style_integrity": style.integrity,
    }
    escaped = {name: html.escape(value) for name, value in values.items()}
    return Template(PAGE.read_text(encoding="utf-8")).substitute(escaped)
