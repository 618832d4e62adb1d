"""Drive a real Firefox that runs inside a namespace, as `LabBrowser` does Chromium."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.lab.browser import LabBrowser, serve
from tests.lab.namespace import Namespace
from tests.rig.firefox import Firefox, Preferences

MAKERS_HOSTS = (
    *("firefox.settings.services.mozilla.com", "content-signature-2.cdn.mozilla.net"),
    *("firefox-settings-attachments.cdn.mozilla.net", "push.services.mozilla.com"),
    *("detectportal.firefox.com", "aus5.mozilla.org", "incoming.telemetry.mozilla.org"),
)


class LabFirefox(LabBrowser):
    """A headless Firefox with one page, in a namespace."""

    program = "tests.lab.firefox"

    def __init__(self, namespace: Namespace, *secure_hosts: str) -> None:
        """Start Firefox; http pages of `secure_hosts` (addresses or names) count as secure."""
        preferences = {
            "dom.securecontext.allowlist": ",".join(secure_hosts),
            # Firefox takes such a page for one with TLS, and would ask for its pictures by https.
            "security.mixed_content.upgrade_display_content": False,
            # Firefox looks up Mozilla's servers when it starts; treat their names as local instead.
            "network.dns.localDomains": ",".join(MAKERS_HOSTS),
        }
        super().__init__(namespace, json.dumps(preferences))


async def _run(preferences: Preferences) -> None:
    async with Firefox(preferences) as firefox:
        await serve(firefox, firefox.version)


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1])))
