"""Links that look like video calls, by real browsers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from passerelle.core.media import scene
from tests.chrome import needs_chrome
from tests.e2e.test_media import Tab, opened
from tests.rig.curl import Proxy, fetch
from tests.rig.firefox import Firefox
from tests.rig.site import Site, blob, digest
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

pytestmark = [needs_chrome, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SIZE = 800_000
WATCH_S = 3.0
NO_MICROPHONE = """() => {
  globalThis.asked = 0;
  const refuse = async () => { globalThis.asked += 1; throw new Error('asked'); };
  navigator.mediaDevices.getUserMedia = refuse;
  navigator.mediaDevices.getDisplayMedia = refuse;
}"""
COUNT = """async () => {
  const seen = {};
  for (const connection of globalThis.kept) {
    for (const entry of (await connection.getStats()).values()) {
      if (!/^(in|out)bound-rtp$/.test(entry.type)) continue;
      const name = `${entry.kind} ${entry.type.split('bound')[0]}`;
      const bytes = (entry.bytesSent ?? entry.bytesReceived) +
        (entry.headerBytesSent ?? entry.headerBytesReceived);
      const old = seen[name] ?? { packets: 0, bytes: 0, frames: 0 };
      seen[name] = {
        packets: old.packets + (entry.packetsSent ?? entry.packetsReceived),
        bytes: old.bytes + bytes,
        frames: old.frames + (entry.framesSent ?? entry.framesReceived ?? 0),
      };
    }
  }
  return seen;
}"""


async def watched(page: Tab, seconds: float) -> dict[str, dict[str, float]]:
    """Return what each kind of stream did in one second, on average over `seconds`."""
    before = await page.evaluate(f"({COUNT})()")
    await asyncio.sleep(seconds)
    after = await page.evaluate(f"({COUNT})()")
    return {
        stream: {name: (after[stream][name] - counts[name]) / seconds for name in counts}
        for stream, counts in before.items()
    }


@pytest.mark.parametrize("name", ["Chromium", "Firefox"])
async def test_a_page_comes_through_a_call(
    chrome: Chromium, firefox: Firefox, name: str, way: Way, site: Site, tmp_path: Path
) -> None:
    """Sound and video go both ways at a call's rates, whatever the link carries, and no microphone
    or camera is asked for."""
    browser = chrome if name == "Chromium" else firefox
    async with (
        opened(browser, way.publisher.url, NO_MICROPHONE) as page,
        way.client("--engine", "chrome", "--profile", "call") as (client, port),
    ):
        await client.expect("downloads as video")
        idle = await watched(page, WATCH_S)
        url = f"http://127.0.0.1:{site.port}/bytes/{SIZE}"
        download = asyncio.create_task(fetch(Proxy.SOCKS, port, tmp_path / "file", url))
        busy = await watched(page, WATCH_S)
        got = await download
        assert (got.code, got.status) == (0, 200), got.text
        assert digest(got.body) == digest(blob(SIZE))
        asked = await page.evaluate("globalThis.asked")

    assert asked == 0
    most = scene.MOST_BIT_S / 8
    for seen in (idle, busy):
        for stream, each in seen.items():
            kind, _ = stream.split()
            assert each["packets"] > (25 if kind == "audio" else 10), (stream, seen)
            assert each["bytes"] < (10_000 if kind == "audio" else 1.4 * most), (stream, seen)
