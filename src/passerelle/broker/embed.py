"""The page at `/embed`, where a publisher chooses how the switch looks, and takes the tag.

The page carries everything in its text, and its policy lets it fetch the widget's files and connect
to nothing else. The preview is the switch itself, in a mode that shows invented states.

`/v1/extensions` tells `passerelle embed` which extensions the tag of this network offers, as a JSON
object with a link for each browser that has one.
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
from passerelle.core.embed import Choices, Script
from passerelle.wire.invite import parse

PAGE: Final = Path(__file__).parent / "pages" / "embed.html"
EDITOR: Final = "embed"
"""The part of the built widget that is this page's script."""
STYLE: Final = "embed_style"
"""The part of the built widget that is this page's style sheet."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {files}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types passerelle"
)
"""`connect-src` allows the folder of the widget's files only. So the preview can reach neither
broker nor exit, whatever it is told."""
HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class EmbedPage:
    """The handler of `GET /embed`."""

    def __init__(self, config: BrokerConfig, assets: Assets) -> None:
        """Make the page once, since it is the same for everybody."""
        self._page = _page(config, assets.parts)
        self._headers = {
            **HEADERS,
            "Content-Security-Policy": POLICY.format(files=_base(config) + embed.SCRIPT_PATH),
            "Cache-Control": f"public, max-age={config.document_age_s}",
        }

    async def handle(self, _request: web.Request) -> web.Response:
        """Answer with the page, or say that this widget was built without it."""
        if self._page is None:
            raise web.HTTPNotFound(text="This widget was built without its settings page.\n")
        return web.Response(text=self._page, content_type="text/html", headers=self._headers)


class ExtensionLinks:
    """The handler of `GET /v1/extensions`."""

    def __init__(self, config: BrokerConfig) -> None:
        self._links = config.extensions.links()
        self._headers = {"Cache-Control": f"public, max-age={config.document_age_s}"}

    async def handle(self, _request: web.Request) -> web.Response:
        """Answer with the links."""
        return web.json_response(self._links, headers=self._headers)


def _page(config: BrokerConfig, parts: dict[str, Script]) -> str | None:
    script, editor, style = (parts.get(name) for name in ("element", EDITOR, STYLE))
    if script is None or editor is None or style is None:
        return None
    network = config.descriptor
    base = _base(config)
    policy = embed.policy(
        base, [entry.url for entry in network.brokers], [entry.url for entry in network.exits]
    )
    usual = Choices(extensions=config.extensions)
    values = {
        "name": network.name,
        "invite": config.invite,
        "source": script.source(base),
        "integrity": script.integrity,
        "tag": embed.tag(script, parse(config.invite), usual) if config.invite else "",
        "chromium": config.extensions.chromium,
        "firefox": config.extensions.firefox,
        "policy": policy,
        # These are relative, so that they hold behind a proxy that serves the broker under a path
        # of the proxy's own.
        "switch": f"w/{script.file}",
        "switch_integrity": script.integrity,
        "editor": f"w/{editor.file}",
        "editor_integrity": editor.integrity,
        "style": f"w/{style.file}",
        "style_integrity": style.integrity,
    }
    escaped = {name: html.escape(value) for name, value in values.items()}
    return Template(PAGE.read_text(encoding="utf-8")).substitute(escaped)


def _base(config: BrokerConfig) -> str:
    return parse(config.invite).url if config.invite else config.descriptor.brokers[0].url
