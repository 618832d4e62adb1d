"""Drive a real Firefox that runs inside a namespace, as `LabBrowser` does Chromium."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.lab.browser import LabBrowser, serve
from tests.lab.namespace import Namespace
from tests.rig.firefox import SYSTEM_ACCESS, Firefox, FirefoxPage, Preferences

MAKERS_HOSTS = (
    *("firefox.settings.services.mozilla.com", "content-signature-2.cdn.mozilla.net"),
    *("firefox-settings-attachments.cdn.mozilla.net", "push.services.mozilla.com"),
    *("detectportal.firefox.com", "aus5.mozilla.org", "incoming.telemetry.mozilla.org"),
)


class LabFirefox(LabBrowser):
    """A headless Firefox with one page, in a namespace."""

    program = "tests.lab.firefox"

    def __init__(
        self,
        namespace: Namespace,
        *secure_hosts: str,
        extension: Path | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        """Start Firefox; http pages of `secure_hosts` (addresses or names) count as secure.

        With an unpacked `extension` it is installed, and `goto` opens pages of it alone.
        `preferences` are added to the usual ones.
        """
        settings = {
            "dom.securecontext.allowlist": ",".join(secure_hosts),
            # Firefox takes such a page for one with TLS, and would ask for its pictures by https.
            "security.mixed_content.upgrade_display_content": False,
            # Firefox looks up Mozilla's servers when it starts; treat their names as local instead.
            "network.dns.localDomains": ",".join(MAKERS_HOSTS),
            **(preferences or {}),
        }
        installed = () if extension is None else (str(extension),)
        super().__init__(namespace, json.dumps(settings), *installed)


class _ExtensionTab:
    """A tab that shows pages of an extension, which only the browser's own window opens."""

    def __init__(self, browser: Firefox) -> None:
        self._browser = browser
        self._page: FirefoxPage | None = None

    @property
    def console(self) -> Collection[str]:
        """Lines that the page wrote to its console."""
        return self._shown.console

    @property
    def _shown(self) -> FirefoxPage:
        assert self._page is not None, "no page of the extension was opened"
        return self._page

    async def goto(self, url: str, *, timeout_s: float) -> None:
        """Open a page of the extension; the test waits for what it shows."""
        await self.close()
        async with asyncio.timeout(timeout_s):
            self._page = await self._browser.open_extension(url)

    async def click(self, selector: str, *, timeout_s: float) -> None:
        await self._shown.click(selector, timeout_s=timeout_s)

    async def evaluate(self, expression: str, *, timeout_s: float) -> Any:
        return await self._shown.evaluate(expression, timeout_s=timeout_s)

    async def wait_for_function(self, expression: str, *, timeout_s: float) -> None:
        await self._shown.wait_for_function(expression, timeout_s=timeout_s)

    async def inner_text(self, selector: str, *, timeout_s: float) -> str:
        return await self._shown.inner_text(selector, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the tab."""
        if self._page is not None:
            await self._page.close()
            self._page = None


class _ExtensionTabs:
    """Opens tabs for pages of an extension."""

    def __init__(self, browser: Firefox) -> None:
        self._browser = browser

    async def open(self) -> _ExtensionTab:
        """Return a tab that shows nothing yet."""
        return _ExtensionTab(self._browser)


async def _run(preferences: Preferences, *extensions: str) -> None:
    arguments = (SYSTEM_ACCESS,) if extensions else ()
    async with Firefox(preferences, arguments=arguments) as firefox:
        for extension in extensions:
            await firefox.install(Path(extension))
        await serve(_ExtensionTabs(firefox) if extensions else firefox, firefox.version)


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1]), *sys.argv[2:]))
