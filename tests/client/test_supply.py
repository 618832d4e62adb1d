"""Where links come from, with a real broker, exit and volunteers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from passerelle import limits
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.exits import ExitHealth
from passerelle.client.nat_probe import NatProbe
from passerelle.client.notices import LinkDown, LinkUp
from passerelle.client.pool import ClientLink, LinkPool
from passerelle.client.rendezvous import BrokerSilent
from passerelle.client.session import ClientSession
from passerelle.client.sessions import Sessions
from passerelle.client.supply import LinkSupply
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.wire.descriptor import DoorEntry
from tests.client.gateway import Gateway, gateway, udp_sockets
from tests.network import EXIT_ID, SPARE_ID, Network, Watch, network
from tests.volunteer import Relay


class Scene:
    """A supply of links for one session, behind a broker whose requests are read."""

    def __init__(self, front: Gateway, brokers: Brokers, config: ClientConfig) -> None:
        self.front = front
        self.watch = Watch()
        self.exits = ExitHealth()
        self.nat_probe = NatProbe(tuple, self.watch)
        self.links = LinkPool(config, self.watch, self)
        self.sessions = Sessions(
            self.links,
            self.exits,
            exit_count=lambda: len(brokers.network.exits),
            grace_s=60,
            changed=self.links_changed,
        )
        self.supply = LinkSupply(config, brokers, self.exits, self.links, self.nat_probe)
        self.up = 0

    @property
    def session(self) -> ClientSession:
        return self.sessions.present

    def links_changed(self) -> None:
        """Do nothing: these tests look at the pool."""

    def link_failed(self, link: ClientLink, error: LinkLost) -> None:
        self.supply.link_failed(link, error)

    async def request(self, count: int = 1) -> int:
        """Ask for volunteers; return how many were found, once no link is being made."""
        result = await self.supply.request(self.session, count)
        await until(lambda: not self.links.connecting(self.session))
        return result.found


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nothing announces."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (nothing to wait for)
            await asyncio.sleep(0.002)


@asynccontextmanager
async def scene(
    net: Network, *, direct: bool = False, doors: Sequence[DoorEntry] = (), **changes: Any
) -> AsyncIterator[Scene]:
    async with gateway(net, direct=direct, doors=doors) as front:
        config = net.client_config(network=front.document, **changes)
        async with Brokers(config) as brokers:
            await brokers.load()
            made = Scene(front, brokers, config)
            try:
                yield made
            finally:
                made.sessions.close()
                await made.supply.close()
                await made.links.close()
                await made.nat_probe.close()


class Deserter(Relay):
    """Answers an offer and leaves at the client's first message: no link comes of it."""

    async def up(self, message: bytes) -> None:
        self.leave()


# --- volunteers ---------------------------------------------------------------------------------


async def test_a_link_is_made_through_each_volunteer_that_is_found() -> None:
    """The first request leaves the exit to the broker, and later ones name the session's exit."""
    async with network() as net, scene(net) as made:
        for _ in range(2):
            await net.volunteer()
        assert await made.request(3) == 2
        assert made.watch.count(LinkUp) == 2
        assert made.session.exit_id == EXIT_ID
        await net.volunteer()
        assert await made.request() == 1
        assert [request.exit for request in made.front.requests] == [None, EXIT_ID]
        assert [len(request.offers) for request in made.front.requests] == [3, 1]


async def test_volunteers_with_links_are_not_asked_for_again() -> None:
    """Another link through the same volunteer is a lane, which needs no broker."""
    async with network() as net, scene(net) as made:
        await net.volunteer()
        assert await made.request() == 1
        used = made.links.volunteers(made.session)
        assert await made.request() == 0
        first, second = made.front.requests
        assert first.avoid == ()
        assert list(second.avoid) == used


async def test_offers_that_nobody_answered_are_closed() -> None:
    """An offer that no volunteer took does not keep its sockets."""
    before = udp_sockets()
    async with network() as net, scene(net) as made:
        assert await made.request(2) == 0
        assert udp_sockets() == before


async def test_a_request_given_up_while_it_closes_its_offers_closes_all() -> None:
    """Cancelled at the first socket that closes, it leaves those of later offers open no more."""
    before = udp_sockets()
    async with network() as net, scene(net) as made, TaskSet("test") as tasks:
        asking = tasks.start(made.supply.request(made.session, 3), "request")
        await until(lambda: made.front.requests)
        opened = udp_sockets()
        while udp_sockets() == opened:  # noqa: ASYNC110  (no turn of the loop may be missed)
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait((asking,))
        await until(lambda: udp_sockets() == before)


async def test_a_silent_broker_is_told_and_the_offers_are_closed() -> None:
    """A request that no broker answers raises BrokerSilent and does not keep its sockets."""
    before = udp_sockets()
    async with network() as net, scene(net) as made:
        made.front.is_shut = True
        with pytest.raises(BrokerSilent):
            await made.request()
        assert udp_sockets() == before


@pytest.mark.parametrize(("before", "after"), [(None, SPARE_ID), (EXIT_ID, None)])
async def test_an_answer_that_comes_too_late_for_its_exit_is_not_used(
    before: str | None, after: str | None
) -> None:
    """The session left that exit while the broker was looking for a volunteer."""
    async with network() as net, scene(net) as made, TaskSet("test") as tasks:
        made.session.exit_id = before
        asking = tasks.start(made.request(), "request")
        await until(lambda: made.front.requests)
        made.session.exit_id = after
        await net.volunteer()
        assert await asking == 0
        assert made.session.exit_id == after


# --- volunteers that fail -----------------------------------------------------------------------


async def test_a_volunteer_who_fails_twice_is_avoided_and_told_once() -> None:
    """The first time the exit may be to blame. If nobody else is found, it is asked again."""
    async with network() as net, scene(net) as made:
        await net.volunteer(relay=Deserter)
        assert await made.request() == 1
        assert await made.request() == 1
        assert made.watch.count(LinkDown) == 2
        assert await made.request() == 0
        await net.volunteer()
        assert await made.request() == 1
        first, second, third, fourth = made.front.requests
        assert first.failed == first.avoid == second.failed == second.avoid == ()
        assert len(third.failed) == 1
        assert third.failed == third.avoid
        assert fourth.failed == fourth.avoid == ()


async def test_a_volunteer_whose_links_end_is_avoided_and_not_told() -> None:
    """A volunteer that carried links until they ended is not reported to the broker."""
    async with network() as net, scene(net) as made:
        volunteer = await net.volunteer()
        for count in (1, 2):
            assert await made.request() == 1
            used = made.links.volunteers(made.session)
            await volunteer.channels[count - 1].close()
            await until(lambda: not made.links.volunteers(made.session))
        await made.request()
        _, second, third = made.front.requests
        assert second.avoid == ()
        assert list(third.avoid) == used
        assert third.failed == ()


async def test_a_volunteer_whose_link_ended_is_no_spare() -> None:
    """While another link is up, somebody who has not failed is asked for."""
    async with network() as net, scene(net) as made:
        volunteer = await net.volunteer()
        assert await made.request() == 1
        ended = made.links.volunteers(made.session)
        await net.volunteer()
        assert await made.request() == 1
        await volunteer.channels[0].close()
        await until(lambda: len(made.links.volunteers(made.session)) == 1)
        await made.request()
        assert set(ended) < set(made.front.requests[-1].avoid)


async def test_a_volunteer_is_not_blamed_for_its_exit() -> None:
    """A volunteer that carried an exit's REFUSED is neither avoided nor reported."""
    async with network(sessions=0) as net, scene(net) as made:
        await net.volunteer()
        assert await made.request() == 1
        down = await made.watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "refused" in down.reason
        await until(lambda: not made.links.volunteers(made.session))
        assert await made.request() == 1
        _, second = made.front.requests
        assert second.failed == second.avoid == ()


@pytest.mark.parametrize(("count", "silent", "avoided"), [(1, 1, 1), (2, 1, 2), (2, 2, 0)])
async def test_volunteers_who_fall_silent_together_are_not_to_blame(
    count: int, silent: int, avoided: int
) -> None:
    """A network that cuts flows cuts all of them. One silent link is its volunteer's; one that is
    up has its volunteer avoided, too."""
    async with network() as net, scene(net) as made:
        for _ in range(count):
            await net.volunteer()
        assert await made.request(count) == count
        for link in made.links.up(made.session)[:silent]:
            assert link.secured is not None
            link.secured.give_up(LinkLost(LinkCode.TIMEOUT, "the link fell silent"))
        await until(lambda: len(made.links.up(made.session)) == count - silent)
        await made.request()
        assert len(made.front.requests[-1].avoid) == avoided


async def test_an_older_page_costs_the_next_request_its_video_and_no_other() -> None:
    """One volunteer must not decide how all later links are seen, nor be left without a link."""
    async with network() as net, scene(net) as made:
        await net.volunteer()
        assert await made.request() == 1
        (link,) = made.links.up(made.session)
        made.supply.link_failed(link, LinkLost(LinkCode.VERSION, "an older kind of video"))
        await made.request()
        await made.request()
        asked = [offer.has_media for request in made.front.requests for offer in request.offers]
        assert asked == [True, False, True]


# --- lanes --------------------------------------------------------------------------------------


async def test_lanes_are_as_many_as_links_are_missing_and_tickets_are_there() -> None:
    """Two lane tickets open two lanes, though four links are missing."""
    async with network() as net, scene(net, links=5, lanes=3, lane_rtt_s=0.0) as made:
        volunteer = await net.volunteer(lanes=4)
        assert await made.request() == 1
        assert made.front.requests[0].lanes == 2
        for _ in range(2):
            made.supply.add_lanes(made.session)
            await until(lambda: not made.links.connecting(made.session))
        assert len(made.links.ready(made.session)) == len(volunteer.channels) == 3


async def test_no_lane_where_nothing_is_missing() -> None:
    """Lanes are added until there are as many links as wanted."""
    async with network() as net, scene(net, links=2, lanes=4, lane_rtt_s=0.0) as made:
        volunteer = await net.volunteer(lanes=4)
        await made.request()
        for _ in range(2):
            made.supply.add_lanes(made.session)
            await until(lambda: not made.links.connecting(made.session))
        assert len(volunteer.channels) == 2


async def test_no_lane_through_a_volunteer_that_is_near() -> None:
    """On a short round trip, one DataChannel is as fast as a browser gets."""
    async with network() as net, scene(net, links=4, lane_rtt_s=60.0) as made:
        await net.volunteer(lanes=4)
        await made.request()
        made.supply.add_lanes(made.session)
        assert made.links.connecting(made.session) == []


async def test_lanes_leave_the_session_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that are being made count against `LINKS_PER_SESSION`."""
    monkeypatch.setattr(limits, "LINKS_PER_SESSION", 2)
    async with network() as net, scene(net, links=4, lane_rtt_s=0.0) as made:
        await net.volunteer(lanes=4)
        await made.request()
        made.supply.add_lanes(made.session)
        assert len(made.links.connecting(made.session)) == 1
        assert made.links.room(made.session) == 0
