from __future__ import annotations

from passerelle.client.notices import LinkDown, LinkUp
from tests.client.test_service import BODY, curl, site, socks
from tests.network import network


async def test_lanes_make_up_for_missing_volunteers() -> None:
    """On a long path, a client that wants three links takes them through one volunteer."""
    async with network() as net, site() as url:
        volunteer = await net.volunteer(lanes=3)
        client, watch = await net.client(links=3, lane_rtt_s=0.0)
        await watch.until(LinkUp, 3)
        assert len(volunteer.channels) == 3
        assert await curl(*socks(client), url) == (0, BODY)


async def test_on_a_short_path_no_lane_is_asked_for() -> None:
    """Where the round trip is short, one DataChannel is as fast as the browser."""
    async with network() as net, site() as url:
        volunteer = await net.volunteer(lanes=3)
        client, _ = await net.client(links=3, lane_rtt_s=60.0)
        assert await curl(*socks(client), url) == (0, BODY)
        assert len(volunteer.channels) == 1


async def test_a_refused_lane_leaves_the_link_alone() -> None:
    """A volunteer that says no is not asked without end, and goes on carrying."""
    async with network() as net, site() as url:
        volunteer = await net.volunteer(lanes=0)
        client, watch = await net.client(links=2, lanes=2, lane_rtt_s=0.0)
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "lane" in down.reason
        assert await curl(*socks(client), url) == (0, BODY)
        assert watch.count(LinkDown) == 1
        assert len(volunteer.channels) == 1


async def test_without_volunteers_a_direct_link_helps() -> None:
    """Where the network allows it, a reader whom nobody can help comes to the exit directly."""
    async with network(direct=True) as net, site() as url:
        client, watch = await net.client(unrelayed_delay_s=0.05)
        assert await curl(*socks(client), url) == (0, BODY)
        link = await watch.until(LinkUp)
        assert isinstance(link, LinkUp)
        assert [name for name, _ in link.steps] == ["websocket", "tls", "welcome"]


async def test_a_volunteer_is_preferred_to_a_direct_link() -> None:
    """The exit's address stays unseen as long as somebody helps."""
    async with network(direct=True) as net, site() as url:
        await net.volunteer()
        client, watch = await net.client(unrelayed_delay_s=5.0)
        assert await curl(*socks(client), url) == (0, BODY)
        link = await watch.until(LinkUp)
        assert isinstance(link, LinkUp)
        assert link.steps[0][0] == "rendezvous"
