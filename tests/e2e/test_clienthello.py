"""What a reader's program says first to a door, beside what a real Chromium says."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from passerelle.io.net.browsersocket import BrowserSocket, SocketFailed
from passerelle.io.net.disguise import Disguise, FetchFailed
from tests.rig.certificate import Certificate
from tests.rig.hello import ClientHello
from tests.rig.middleman import Middleman, fronting
from tests.rig.volunteer import Chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

OPEN = "url => new Promise(done => { const s = new WebSocket(url); s.onerror = s.onopen = done })"


async def test_a_clients_clienthellos_are_a_browsers(
    chrome: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The JA4 of a request and of a link's WebSocket is that of Chromium's own."""
    certificate = Certificate.make(tmp_path)
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(certificate.pem))
    page = await chrome.open("about:blank")
    async with Middleman(certificate, fronting({})) as man:
        # Each has its own name: Chromium would resume the session of the other.
        at = f"localhost:{man.port}"
        with contextlib.suppress(FetchFailed):
            async with Disguise(5.0) as disguise:
                await disguise.fetch(f"https://{at}/", host=None, most=1000)
        with contextlib.suppress(SocketFailed):
            await BrowserSocket.connect(f"wss://{at}/", protocols=(), most=1000, timeout_s=5.0)
        await page.evaluate(OPEN, f"wss://{at}/")
        await page.evaluate(
            "url => fetch(url).catch(() => null)", f"https://other.localhost:{man.port}/"
        )
        ours, link, theirs_link, theirs = (ClientHello.parse(each) for each in man.hellos[:4])
    assert link.ja4 == theirs_link.ja4
    assert ours.ja4 == theirs.ja4
    assert link.ja4 != ours.ja4, "a WebSocket's offers HTTP/1.1 alone"
    assert link.is_greased
