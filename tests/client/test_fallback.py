"""Links without a volunteer, with a real broker and exit, and a real nginx as door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from passerelle import limits
from passerelle.client.notices import LinkDown, LinkUp
from passerelle.wire.descriptor import DoorEntry
from tests.client.test_supply import Scene, scene, until
from tests.network import HOST, SPARE_ID, Network, network
from tests.rig.door import door, door_url
from tests.rig.ports import free_port


@asynccontextmanager
async def mute_door() -> AsyncIterator[DoorEntry]:
    """A door that takes connections and says nothing."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, HOST, 0) as server:
        yield DoorEntry(door_url(server.sockets[0].getsockname()[1]), links=True)


@asynccontextmanager
async def real_door(net: Network, folder: Path) -> AsyncIterator[DoorEntry]:
    """An nginx that leads to the network's broker and first exit."""
    port = free_port()
    async with door("nginx", port, net.url, "key", folder, exit_id="exit1"):
        yield DoorEntry(door_url(port), links=True)


async def linked(made: Scene, count: int = 1) -> LinkUp:
    link = await made.watch.until(LinkUp, count)
    assert isinstance(link, LinkUp)
    return link


async def test_the_exit_is_reached_without_a_volunteer_where_nobody_is_found() -> None:
    """The client opens a WebSocket to the exit after `unrelayed_delay_s`."""
    async with network(direct=True) as net, scene(net, direct=True, unrelayed_delay_s=0.0) as made:
        assert await made.request() == 0
        link = await linked(made)
        assert link.steps[0][0] == "websocket"
        assert link.server == HOST
        assert made.links.volunteers(made.session) == []


async def test_a_ticket_is_asked_for_ahead_and_once() -> None:
    """A broker may wait for volunteers for seconds, so the first request wants none. Its ticket
    serves until it is half as old as it can get, and its exit is the one that is asked for then."""
    async with network(direct=True) as net, scene(net, direct=True, unrelayed_delay_s=60) as made:
        await made.request()
        await made.request()
        assert [len(request.offers) for request in made.front.requests] == [0, 1, 1]
        assert {request.exit for request in made.front.requests[1:]} == {"exit1"}


async def test_nothing_is_asked_ahead_where_no_link_without_a_volunteer_can_come() -> None:
    """A descriptor without `direct` and without doors keeps the client from going elsewhere."""
    async with network() as net, scene(net, unrelayed_delay_s=0.0) as made:
        assert await made.request() == 0
        assert [len(request.offers) for request in made.front.requests] == [1]
        assert len(made.supply._fallback._tasks) == 0


async def test_a_door_is_gone_through_when_another_says_nothing(tmp_path: Path) -> None:
    """The next one is tried beside it after `unrelayed_patience_s`, and a few at most."""
    async with network(direct=True) as net, AsyncExitStack() as stack:
        mute = [await stack.enter_async_context(mute_door()) for _ in range(2)]
        good = await stack.enter_async_context(real_door(net, tmp_path))
        options: dict[str, Any] = {
            "unrelayed_delay_s": 0.0,
            "unrelayed_patience_s": 0.1,
            "connect_timeout_s": 1.0,
        }
        made = await stack.enter_async_context(scene(net, doors=[*mute, good], **options))
        await made.supply.request(made.session, 1)
        link = await linked(made)
        assert link.server == HOST
        assert len(made.links.connecting(made.session)) < limits.UNRELAYED_LINKS
        await until(lambda: not made.links.connecting(made.session))
        assert len(made.links.answering(made.session)) == 1


async def test_it_is_left_when_a_volunteer_has_lasted(tmp_path: Path) -> None:
    """A door costs somebody else, so it carries nothing that volunteers can carry."""
    options: dict[str, Any] = {
        "unrelayed_delay_s": 0.0,
        "unrelayed_overlap_s": 0.1,
        "farewell_s": 0.1,
    }
    async with (
        network(direct=True) as net,
        real_door(net, tmp_path) as entry,
        scene(net, doors=[entry], **options) as made,
    ):
        await made.supply.request(made.session, 1)
        await linked(made)
        await net.volunteer()
        assert await made.request() == 1
        assert (await linked(made, 2)).server is None
        down = await made.watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "volunteers are there again" in down.reason
        assert len(made.links.answering(made.session)) == 1


async def test_it_is_not_needed_once_a_volunteer_is_there() -> None:
    """A link through a volunteer that is up in time keeps the unrelayed one from being tried."""
    async with network(direct=True) as net, scene(net, direct=True, unrelayed_delay_s=2) as made:
        await net.volunteer()
        assert await made.request() == 1
        await until(lambda: len(made.supply._fallback._tasks) == 0)
        assert made.links.connecting(made.session) == []
        assert made.watch.count(LinkUp) == 1


@pytest.mark.parametrize("ended", [True, False])
async def test_there_is_none_for_a_session_that_ended_or_moved(ended: bool) -> None:
    """The ticket was for a session that is over, or for an exit that was left."""
    async with network(direct=True) as net, scene(net, direct=True, unrelayed_delay_s=0.3) as made:
        assert await made.request() == 0
        session = made.session
        if ended:
            session.tunnel.close()
        else:
            session.exit_id = SPARE_ID
        await until(lambda: len(made.supply._fallback._tasks) == 0)
        assert made.links.connecting(session) == []


async def test_close_gives_up_a_link_that_is_to_come() -> None:
    """After `close` no link is started, and a second `close` does nothing."""
    async with network(direct=True) as net, scene(net, direct=True, unrelayed_delay_s=60) as made:
        assert await made.request() == 0
        await made.supply.close()
        await made.supply.close()
        assert len(made.supply._fallback._tasks) == 0
        assert made.links.connecting(made.session) == []
