"""A real Firefox inside a namespace, driven from outside like the laboratory's Chromium."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.lab.browser import LabBrowser, serve
from tests.lab.namespace import Namespace
from tests.rig.firefox import Firefox, FirefoxPage, Preferences

MAKERS_HOSTS = (
    *("firefox.settings.services.mozilla.com", "content-signature-2.cdn.mozilla.net"),
    *("firefox-settings-attachments.cdn.mozilla.net", "push.services.mozilla.com"),
    *("detectportal.firefox.com", "aus5.mozilla.org", "incoming.telemetry.mozilla.org"),
)


class LabFirefox(LabBrowser):
    """A headless Firefox with one page, in a namespace."""

    program = "tests.lab.firefox"

    def __init__(self, namespace: Namespace, *secure_hosts: str) -> None:
        """Start Firefox; pages of `secure_hosts` (addresses or names) count as secure by http."""
        preferences = {
            "dom.securecontext.allowlist": ",".join(secure_hosts),
            # It asks its maker for settings at its start, and would look up where.
            "network.dns.localDomains": ",".join(MAKERS_HOSTS),
        }
        super().__init__(namespace, json.dumps(preferences))


class _Inside:
    """The commands, on the one page."""

    def __init__(self, firefox: Firefox, page: FirefoxPage) -> None:
        self._firefox = firefox
        self._page: FirefoxPage | None = page

    async def obey(self, request: dict[str, Any]) -> object:
        command = request.pop("do")
        timeout_s = request.pop("timeout_ms") / 1e3
        if self._page is None:
            self._page = await self._firefox.open("about:blank")
        if command == "console":
            return list(self._page.console)
        if command == "shut":
            await self._page.close()
            self._page = None
            return None
        commands: dict[str, Callable[..., Awaitable[object]]] = {
            "goto": self._page.goto,
            "click": self._page.click,
            "eval": self._page.evaluate,
            "wait": self._page.wait_for_function,
            "text": self._page.inner_text,
        }
        return await commands[command](*request.values(), timeout_s=timeout_s)


async def _run(preferences: Preferences) -> None:
    async with Firefox(preferences) as firefox:
        await serve(_Inside(firefox, await firefox.open("about:blank")), firefox.version)


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1])))
