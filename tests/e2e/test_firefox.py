"""A volunteer's real Firefox carries what a client asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.rig.curl import Proxy, fetch
from tests.rig.firefox import Firefox, flip, state, until
from tests.rig.site import PAGE, Site, blob, digest
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

SIZE = 5_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with Firefox() as running:
        yield running


async def test_a_page_and_a_file_arrive(
    firefox: Firefox, way: Way, site: Site, tmp_path: Path
) -> None:
    """All of the file went through the page's switch, which afterwards turns off."""
    page = await firefox.open(way.publisher.url)
    await flip(page)
    async with way.client() as (client, port):
        await client.expect("Connected through a volunteer")
        base = f"http://127.0.0.1:{site.port}"
        got = await fetch(Proxy.SOCKS, port, tmp_path / "page", f"{base}/")
        assert (got.code, got.status) == (0, 200), got.text
        assert got.body.decode() == PAGE
        got = await fetch(Proxy.HTTP, port, tmp_path / "file", f"{base}/bytes/{SIZE}")
        assert (got.code, got.status) == (0, 200), got.text
        assert digest(got.body) == digest(blob(SIZE))
        await until(page, f"s.totals.bytes >= {SIZE}")
        assert (await state(page))["phase"] == "helping"
        await page.click("[role=switch]")
        await until(page, "s.phase === 'off'", timeout_s=5)
    await page.screenshot(tmp_path / "off.png")
    assert (tmp_path / "off.png").read_bytes().startswith(b"\x89PNG")
    assert not [line for line in page.console if line.startswith("error")]
    await page.close()
