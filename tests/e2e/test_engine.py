"""The process of Chrome's engine dies in the middle of a download, and with its client."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.chrome import needs_chrome
from tests.rig.curl import Fetch, Proxy
from tests.rig.processes import children, runs
from tests.rig.site import Site, blob, digest
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

pytestmark = [
    needs_chrome,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

SIZE = 6_000_000
FIRST_BYTES = 2_000_000
SOON_S = 5.0


async def test_a_download_survives_the_death_of_the_engine(
    chrome: Chromium, way: Way, site: Site, tmp_path: Path
) -> None:
    """The links end, a new process makes others, and the download goes on where it was."""
    async with way.volunteer(), way.client("--engine", "chrome") as (client, port):
        await client.expect("downloads as video")
        (engine,) = children(client.pid)
        site.gate.clear()
        url = f"http://127.0.0.1:{site.port}/bytes/{SIZE}?slow={FIRST_BYTES}"
        file = tmp_path / "file"
        async with Fetch(Proxy.SOCKS, port, file, url) as curl:
            while not file.exists() or file.stat().st_size < FIRST_BYTES // 2:
                assert curl.running, "it ended too early"
                await asyncio.sleep(0.02)
            client.forget()
            os.kill(engine, signal.SIGKILL)
            site.gate.set()
            await client.expect("The process of Chrome's WebRTC was ended by signal 9")
            await client.expect("downloads as video")
            got = await curl.result()
        assert (got.code, got.status) == (0, 200), got.text
        assert digest(got.body) == digest(blob(SIZE))
        (engine,) = children(client.pid)
        os.kill(client.pid, signal.SIGKILL)
        async with asyncio.timeout(SOON_S):
            while runs(engine):  # noqa: ASYNC110  (no event tells the end of a foreign process)
                await asyncio.sleep(0.02)
