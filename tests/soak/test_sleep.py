"""A reader's computer sleeps for longer than anything of the network waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.client.test_service import curl
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium
from tests.rig.way import HOST, Way

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

SOON_S = 3.0
"""The longest time from the end of a sleep to a page."""


@pytest.mark.parametrize("slept_s", [95, 140])
async def test_after_a_long_sleep_the_first_page_comes_at_once(
    slept_s: float, tmp_path: Path
) -> None:
    """The exit has forgotten the session, and after the longer sleep the client has, too.

    The one volunteer is a real Chromium, which has given the link up long before.
    """
    async with Chromium() as chrome, Site() as site:
        policy = "--allow", "127.0.0.0/8", "--exit-port", str(site.port)
        async with (
            Way(tmp_path, chrome, *policy) as way,
            way.volunteer(),
            way.client() as (program, port),
        ):
            await program.expect("Connected")
            get = "--fail", "--socks5-hostname", f"{HOST}:{port}", f"http://{HOST}:{site.port}/"
            assert await curl(*get) == (0, PAGE.encode())
            os.kill(program.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(slept_s)
            finally:
                os.kill(program.pid, signal.SIGCONT)
            began_s = time.monotonic()
            assert await curl(*get) == (0, PAGE.encode())
            assert time.monotonic() - began_s < SOON_S
