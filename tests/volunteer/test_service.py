"""A volunteer's program with a real broker, a real exit and the real client."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from passerelle.client.notices import LinkUp
from passerelle.io.webrtc.engine import choose
from tests.chrome import needs_chrome
from tests.client.test_service import BODY, curl, site
from tests.network import HOST, network
from tests.volunteer.rig import volunteering

pytestmark = needs_chrome


@pytest.mark.parametrize("engine", ["python", "chrome"])
@pytest.mark.parametrize("media", [False, True])
async def test_a_page_arrives_through_it(
    engine: Literal["python", "chrome"], *, media: bool
) -> None:
    """Both engines of a client come through, and what was carried is counted once."""
    async with network() as net, site() as url, volunteering(net) as volunteer:
        client, watch = await net.client(engine=choose(engine)[0], media=media)
        proxy = f"socks5h://{HOST}:{client.port}"
        assert await curl("-x", proxy, url) == (0, BODY)
        assert await curl("-x", proxy, "--data-binary", "x" * 1000, url) == (0, b"x" * 1000)
        link = watch.notices[[isinstance(each, LinkUp) for each in watch.notices].index(True)]
        assert isinstance(link, LinkUp)
        status = await volunteer.until(lambda status: status.people == 1)
        assert (status.state, status.helped) == ("helping", 1)
        assert len(BODY) < status.total_bytes < 1.2 * len(BODY)
        await client.close()
        await volunteer.until(lambda status: status.people == 0)


async def test_people_are_asked_to_move_on_when_it_leaves() -> None:
    """Closing says goodbye on each link, and waits for nobody for long."""
    async with network() as net, site() as url:
        async with volunteering(net) as volunteer:
            client, _ = await net.client(engine=choose("chrome")[0])
            assert (await curl("-x", f"socks5h://{HOST}:{client.port}", url))[0] == 0
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await volunteer.program.close()
            assert loop.time() - begun < 8
        await client.close()
