"""The supervisor of links in a whole network, without a local port in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from passerelle.client.brokers import Brokers
from passerelle.client.notices import (
    BrokerUnreachable,
    HandshakesDropped,
    LinkDown,
    LinkUp,
    NoVolunteer,
    Searching,
)
from passerelle.client.session import ClientSession
from passerelle.client.supervisor import LinkSupervisor
from passerelle.errors import Failure, StreamFailed
from passerelle.exit.sessions import SessionTable
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.wire import control
from passerelle.wire.description import Description
from tests.client.gateway import gateway, udp_sockets
from tests.network import EXIT_ID, HOST, SPARE_ID, Network, Watch, impostor, network
from tests.volunteer import Channel, Volunteer

LONG_S = (60.0, 60.0)
"""A pause of at least a quarter of this does not end within a test's patience."""


class Supervised:
    """A supervisor whose loop runs, and what it tells."""

    def __init__(self, supervisor: LinkSupervisor, watch: Watch) -> None:
        self.supervisor = supervisor
        self.watch = watch

    @property
    def session(self) -> ClientSession:
        return self.supervisor._sessions.present

    async def link_up(self, count: int) -> LinkUp:
        notice = await self.watch.until(LinkUp, count)
        assert isinstance(notice, LinkUp)
        return notice

    async def stream(self, port: int) -> TunnelStream:
        """An open stream to the echo at `port`, which has answered once."""
        made = await self.supervisor.open(HOST, port)
        await made.opened()
        assert await echoed(made) == b"hello"
        return made


async def echoed(stream: TunnelStream) -> bytes:
    await stream.write(b"hello")
    async with asyncio.timeout(10):
        return await stream.read()


@asynccontextmanager
async def supervised(net: Network, **changes: Any) -> AsyncIterator[Supervised]:
    watch = Watch()
    config = net.client_config(**changes)
    async with Brokers(config) as brokers, TaskSet("test") as tasks:
        await brokers.load()
        made = LinkSupervisor(config, brokers, watch)
        running = tasks.start(made.run(), "run")
        try:
            yield Supervised(made, watch)
        finally:
            running.cancel()
            await asyncio.wait((running,))
            await made.close()


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A site that says what it hears; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nothing announces."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (nothing to wait for)
            await asyncio.sleep(0.002)


def table(net: Network, exit_id: str | None) -> SessionTable:
    return (net.exit if exit_id == EXIT_ID else net.spare)._sessions


class Taciturn(Volunteer):
    """Relays, and does not answer when it is asked for a lane."""

    lanes_asked = 0

    async def _lane(self, parent: Channel, exit_id: str, lane: control.Lane) -> None:
        self.lanes_asked += 1


async def leave(volunteer: Volunteer) -> None:
    """Let a volunteer's links end as a closed page's do, and offer no more."""
    await volunteer.__aexit__(None, None, None)


# --- links --------------------------------------------------------------------------------------


async def test_a_lost_link_is_replaced() -> None:
    """The new link joins the same session, whose streams go on."""
    async with network() as net, echo() as port:
        first = await net.volunteer()
        async with supervised(net) as made:
            await made.link_up(1)
            session, stream = made.session, await made.stream(port)
            await net.volunteer()
            await first.channels[0].close()
            await made.link_up(2)
            assert await echoed(stream) == b"hello"
            assert made.session is session
            assert list(net.exit._sessions._sessions) == [session.id]


async def test_a_link_that_will_end_is_replaced_before_it_does() -> None:
    """The relay says `drain`, and its link goes on carrying until another one is there."""
    async with network() as net:
        first = await net.volunteer()
        async with supervised(net) as made:
            await made.link_up(1)
            await net.volunteer()
            first.channels[0].channel.send(control.encode(control.RelayDrain()))
            await made.link_up(2)
            assert made.watch.count(LinkDown) == 0
            assert made.session.tunnel.link_count == 2
            await until(lambda: made.supervisor.link_count == 1)


async def test_a_call_ends_after_its_time_and_another_one_is_there_before() -> None:
    """A link that is old enough is replaced, then left; its streams go on, and its volunteer is
    not to blame."""
    ages = iter([0.3])
    async with network() as net, echo() as port:
        await net.volunteer()
        async with supervised(
            net, call=True, call_age_s=lambda _: next(ages, 60.0), farewell_s=0.1
        ) as made:
            await made.link_up(1)
            stream = await made.stream(port)
            await made.link_up(2)
            assert made.watch.count(LinkDown) == 0
            down = await made.watch.until(LinkDown, 1)
            assert isinstance(down, LinkDown)
            assert "after its time" in down.reason
            assert await echoed(stream) == b"hello"
            assert not made.supervisor._supply._doubted
            assert not made.supervisor._supply._failed
            assert made.supervisor.link_count == 1


async def test_a_link_that_falls_silent_is_replaced_before_it_is_dead() -> None:
    """An application waits for it, and another volunteer is asked long before the link is over."""
    silent = False

    def pass_on(message: bytes) -> bytes | None:
        return None if silent else message

    async with network() as net, echo() as port:
        await net.volunteer(up=pass_on, down=pass_on, free=1)
        async with supervised(net, spare_retry_s=LONG_S) as made:
            await made.link_up(1)
            stream = await made.stream(port)
            await net.volunteer()
            silent = True
            assert await echoed(stream) == b"hello"
            assert made.watch.count(LinkUp) == 2
            assert made.watch.count(LinkDown) == 0


async def test_as_many_volunteers_are_found_as_links_are_wanted() -> None:
    """One request finds three volunteers, and no other follows it."""
    async with network() as net:
        for _ in range(3):
            await net.volunteer()
        async with supervised(net, links=3) as made:
            await made.link_up(3)
            await until(lambda: made.supervisor.link_count == 3)
            assert len(made.supervisor._links.volunteers(made.session)) == 3
            assert made.watch.count(Searching) == 1
            assert sorted(made.supervisor.received_bytes) == [1, 2, 3]


async def test_more_links_than_one_request_may_ask_for() -> None:
    """Several requests follow each other without a pause."""
    async with network() as net:
        for _ in range(5):
            await net.volunteer()
        async with supervised(net, links=5, retry_s=LONG_S, spare_retry_s=LONG_S) as made:
            await made.link_up(5)
            assert made.watch.count(Searching) == 2


async def test_lanes_make_up_for_missing_volunteers() -> None:
    """While the client waits to ask again, the volunteer that is there carries all links."""
    async with network() as net:
        volunteer = await net.volunteer(lanes=3)
        async with supervised(net, links=3, lane_rtt_s=0.0, spare_retry_s=LONG_S) as made:
            await made.link_up(3)
            assert len(volunteer.channels) == 3
            assert len(made.supervisor._links.volunteers(made.session)) == 1


async def test_the_unrelayed_path_is_used_when_nobody_is_there() -> None:
    """A WebSocket to the exit carries the session, and later a volunteer does so beside it."""
    async with (
        network(direct=True) as net,
        echo() as port,
        supervised(net, unrelayed_delay_s=0.05) as made,
    ):
        link = await made.link_up(1)
        assert [name for name, _ in link.steps] == ["websocket", "tls", "welcome"]
        await made.stream(port)
        await net.volunteer()
        link = await made.link_up(2)
        assert link.steps[0][0] == "rendezvous"


# --- when it asks -------------------------------------------------------------------------------


async def test_a_first_link_is_asked_for_with_short_pauses_and_a_spare_with_long_ones() -> None:
    """The pause is read from the notice that no broker answers."""
    pauses: dict[str, Any] = {"retry_s": (0.01, 0.02), "spare_retry_s": (0.4, 0.4)}
    async with network() as net, gateway(net) as front:
        front.is_shut = True
        async with supervised(net, links=2, network=front.document, **pauses) as made:
            for count in (1, 2, 3):
                notice = await made.watch.until(BrokerUnreachable, count)
                assert isinstance(notice, BrokerUnreachable)
                assert notice.retry_s <= 0.02
            await net.volunteer()
            front.is_shut = False
            await made.link_up(1)
            front.is_shut = True
            linked = made.watch.count(BrokerUnreachable)
            notice = await made.watch.until(BrokerUnreachable, linked + 1)
            assert isinstance(notice, BrokerUnreachable)
            assert 0.1 <= notice.retry_s <= 0.4


async def test_a_pause_ends_when_the_last_link_is_lost() -> None:
    """Only a spare was missing, and was not to be asked for yet, when the first link was lost."""
    async with network() as net, echo() as port:
        first = await net.volunteer()
        async with supervised(net, links=2, spare_retry_s=LONG_S) as made:
            await made.link_up(1)
            stream = await made.stream(port)
            await until(
                lambda: made.supervisor._retry._pause_ends > asyncio.get_running_loop().time()
            )
            await net.volunteer()
            await leave(first)
            await made.link_up(2)
            assert await echoed(stream) == b"hello"


async def test_refused_lanes_do_not_hold_up_the_search_for_another_volunteer() -> None:
    """A refused lane brings no pause, though a link that a volunteer fails to make does."""
    async with network() as net:
        first = await net.volunteer(lanes=0)
        pauses = {"retry_s": LONG_S, "spare_retry_s": LONG_S}
        async with supervised(net, links=2, lane_rtt_s=0.0, **pauses) as made:
            await made.watch.until(LinkDown)
            await net.volunteer()
            await leave(first)
            await made.link_up(2)


async def test_lanes_that_nobody_can_answer_do_not_hold_up_the_search_either() -> None:
    """A lane is given up with the link over which it was asked for, so nothing is being made."""
    async with network() as net:
        first = Taciturn(net.url, net.exit_urls)
        pauses = {"retry_s": (0.01, 0.02), "spare_retry_s": LONG_S}
        async with first, supervised(net, links=2, lane_rtt_s=0.0, **pauses) as made:
            await made.link_up(1)
            await until(lambda: first.lanes_asked > 0)
            await net.volunteer()
            await first.channels[0].close()
            await made.link_up(2)
            reasons = [n.reason for n in made.watch.notices if isinstance(n, LinkDown)]
            assert any("before it answered for a lane" in reason for reason in reasons)


async def test_volunteers_that_answer_and_fail_are_asked_for_with_pauses() -> None:
    """Every offer found a volunteer, and yet the next request is not made at once."""
    loop = asyncio.get_running_loop()
    async with network(**impostor()) as net:
        await net.volunteer()
        async with supervised(net, retry_s=(0.4, 0.4)) as made:
            await made.watch.until(LinkDown)
            failed_at = loop.time()
            await made.watch.until(Searching, 2)
            assert loop.time() - failed_at >= 0.09
            assert made.watch.count(NoVolunteer) == 0


async def test_without_a_volunteer_a_stream_is_waited_for_and_then_fails() -> None:
    """Opening a stream or a flow, and asking for flows, fails after `patience_s`."""
    async with network() as net, supervised(net, patience_s=0.02) as made:
        for waiting in (
            made.supervisor.open(HOST, 80),
            made.supervisor.open_flow(HOST, 53),
            made.supervisor.offers_flows(),
        ):
            with pytest.raises(StreamFailed) as caught:
                await waiting
            assert caught.value.failure is Failure.NO_VOLUNTEER


async def test_a_stream_that_waits_goes_on_with_the_first_link() -> None:
    """A stream that is asked for before there is a link opens as soon as there is one."""
    async with (
        network() as net,
        echo() as port,
        supervised(net) as made,
        TaskSet("test") as tasks,
    ):
        waiting = tasks.start(made.stream(port), "stream")
        await made.watch.until(Searching)
        await net.volunteer()
        await waiting


# --- sessions -----------------------------------------------------------------------------------


async def test_a_lost_session_is_followed_by_a_new_one() -> None:
    """The lost session's streams fail, and the next stream opens in the new session."""
    async with network() as net, echo() as port:
        await net.volunteer()
        async with supervised(net) as made:
            await made.link_up(1)
            lost, stream = made.session, await made.stream(port)
            (at_exit,) = net.exit._sessions._sessions.values()
            at_exit.tunnel.close()
            assert await stream.broken() is Failure.SESSION_LOST
            await made.link_up(2)
            assert made.session.id != lost.id
            await made.stream(port)
            assert list(net.exit._sessions._sessions) == [made.session.id]


async def test_a_leaving_exit_is_left_while_its_streams_finish() -> None:
    """New streams open at the other exit; the old session ends with the exit."""
    async with network(spare=True) as net, echo() as port:
        await net.volunteer()
        async with supervised(net) as made, TaskSet("test") as tasks:
            await made.link_up(1)
            old, stream = made.session, await made.stream(port)
            exit_now = net.exit if old.exit_id == EXIT_ID else net.spare
            draining = tasks.start(exit_now.drain(), "drain")
            await made.link_up(2)
            assert made.session is not old
            assert {made.session.exit_id, old.exit_id} == {EXIT_ID, SPARE_ID}
            await made.stream(port)
            assert table(net, made.session.exit_id).stream_count == 1
            assert await echoed(stream) == b"hello"
            assert not draining.done()
            stream.write_end()
            await draining
            assert await stream.read() == b""


async def test_a_leaving_exit_without_streams_is_left_at_once() -> None:
    """A session without streams ends at both ends when its exit goes away."""
    async with network(spare=True) as net:
        await net.volunteer()
        async with supervised(net) as made, TaskSet("test") as tasks:
            await made.link_up(1)
            old = made.session
            left = table(net, old.exit_id)
            tasks.spawn((net.exit if old.exit_id == EXIT_ID else net.spare).drain(), "drain")
            await made.link_up(2)
            assert old.tunnel.ended
            await until(lambda: len(left) == 0)


async def test_volunteers_that_vanish_together_mean_that_the_exit_is_gone() -> None:
    """The client goes to another exit, because volunteers do not all leave in the same moment."""
    async with network(spare=True) as net, echo() as port:
        volunteers = [await net.volunteer() for _ in range(2)]
        async with supervised(net, links=2) as made:
            await made.link_up(2)
            old = made.session
            await asyncio.gather(*(volunteer.channels[0].close() for volunteer in volunteers))
            await made.link_up(4)
            assert old.tunnel.ended
            assert {made.session.exit_id, old.exit_id} == {EXIT_ID, SPARE_ID}
            await made.stream(port)


# --- a network that drops handshakes ------------------------------------------------------------


class Mute(Channel):
    """The end of a path on which ICE passes, and DTLS only while `passes` is set."""

    passes = asyncio.Event()

    async def shake_hands(self, offer: Description) -> None:
        await self.passes.wait()
        await super().shake_hands(offer)


class Unreached(Channel):
    """The end of a path on which nothing passes, because neither side knows where to send."""

    @property
    def description(self) -> Description:
        return msgspec.structs.replace(super().description, candidates=())

    async def connect(self, offer: Description) -> None:
        await asyncio.Event().wait()


async def test_handshakes_that_are_dropped_are_told_of_once() -> None:
    """One may be chance; after two in a row the person is told what may help."""
    Mute.passes = asyncio.Event()
    async with network() as net:
        await net.volunteer(channel=Mute, free=32)
        async with supervised(net, connect_timeout_s=0.7) as made:
            await made.watch.until(LinkDown)
            assert made.watch.count(HandshakesDropped) == 0
            await made.watch.until(LinkDown, 4)
            assert made.watch.count(HandshakesDropped) == 1
            Mute.passes.set()
            await made.link_up(1)


async def test_a_volunteer_that_is_not_reached_has_dropped_no_handshake() -> None:
    async with network() as net:
        await net.volunteer(channel=Unreached, free=32)
        async with supervised(net, connect_timeout_s=0.1) as made:
            await made.watch.until(LinkDown, 3)
            assert made.watch.count(HandshakesDropped) == 0


# --- the end ------------------------------------------------------------------------------------


async def test_close_ends_everything() -> None:
    """No task is left, no session at the exit and no link at a volunteer; streams have failed."""
    async with network() as net, echo() as port:
        before = asyncio.all_tasks()
        volunteer = await net.volunteer(lanes=1)
        own = asyncio.all_tasks()
        async with supervised(net, links=2, lane_rtt_s=0.0) as made:
            await made.link_up(2)
            stream = await made.stream(port)
        assert await stream.broken() is Failure.SESSION_LOST
        assert made.supervisor.link_count == 0
        assert made.supervisor.received_bytes == {}
        async with asyncio.timeout(5):
            for channel in volunteer.channels:
                await channel.closed.wait()
        await until(lambda: len(net.exit._sessions) == 0)
        left = {task.get_name() for task in asyncio.all_tasks() - before - own}
        assert not {n for n in left if n.startswith(("links/", "supply/", "nat_probe/", "data"))}
        await made.supervisor.close()


async def test_close_while_a_request_is_under_way() -> None:
    """The sockets of offers that nobody has answered yet are closed."""
    before = udp_sockets()
    async with network() as net, gateway(net) as front:
        async with supervised(net, links=3, network=front.document):
            await until(lambda: len(front.requests) == 1)
            assert udp_sockets() > before
        assert udp_sockets() == before
