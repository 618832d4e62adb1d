"""UDP flows at the exit: what they reach, what they never reach, and what bounds them."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from passerelle import limits
from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.quota import Quota
from passerelle.errors import Failure, LinkCode, StreamFailed
from passerelle.exit import sessions
from passerelle.exit.config import Lifetimes
from passerelle.exit.connections import StreamEnding
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.flow import Flow
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.wire.capsule import encode_datagram, encode_integer
from tests.client.party import Client
from tests.network import HOST, exit_config

OTHER = "127.0.0.2"
"""A second address of this machine; all of 127.0.0.0/8 is."""


class Site:
    """A UDP socket of the open web that echoes every datagram."""

    def __init__(self, host: str = HOST, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, port))
        self.port = int(self.socket.getsockname()[1])
        self.visitor: tuple[Any, ...] = ()
        """Address of the last sender."""
        self.received: list[bytes] = []
        asyncio.get_running_loop().add_reader(self.socket, self._echo)

    def _echo(self) -> None:
        payload, self.visitor = self.socket.recvfrom(65_536)
        self.received.append(payload)
        self.socket.sendto(payload, self.visitor)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


class World:
    """An exit's sessions, a client of one, and sites."""

    def __init__(self, **changes: Any) -> None:
        self.table = SessionTable(exit_config(**changes))
        self.client = Client(self.table)
        self.sites: list[Site] = []

    def site(self, host: str = HOST, port: int = 0) -> Site:
        self.sites.append(Site(host, port))
        return self.sites[-1]

    def open(self, host: str, port: int) -> tuple[TunnelStream, Flow]:
        """Ask for a flow without waiting for the answer."""
        stream = self.client.tunnel.open_flow(host, port)
        return stream, Flow(stream)

    async def refused(self, host: str, port: int) -> Failure:
        """Ask for a flow, send into it, and return why there is none."""
        stream, flow = self.open(host, port)
        flow.send(b"canary")
        with pytest.raises(StreamFailed) as caught:
            async with asyncio.timeout(10):
                await stream.opened()
        return caught.value.failure

    async def idle(self, *, left: int = 0) -> None:
        """Wait until the exit has `left` flows."""
        async with asyncio.timeout(5):
            while len(self.table.flows) != left:  # noqa: ASYNC110  (nothing to wait for)
                await asyncio.sleep(0.001)


@asynccontextmanager
async def world(**changes: Any) -> AsyncIterator[World]:
    made = World(**changes)
    resolver = made.table._resolver
    await made.client.join()
    await made.client.tunnel.offers_flows()
    try:
        yield made
    finally:
        made.client.tunnel.close()
        made.table._resolver = resolver
        await made.table.close()
        for site in made.sites:
            site.close()


async def collect(flow: Flow, count: int) -> list[bytes]:
    """Return the next `count` datagrams."""
    got: list[bytes] = []
    async with asyncio.timeout(5):
        while len(got) < count:
            payloads = await flow.receive()
            assert payloads, "the flow has ended"
            got += payloads
    return got


async def test_datagrams_go_and_come_whole() -> None:
    """Datagrams keep their boundaries and sizes; those sent before the answer arrive too."""
    sizes = [0, 1, 1200, 1472, 9000, 65_507]
    async with world() as here:
        site = here.site()
        _, flow = here.open(HOST, site.port)
        for size in sizes:
            flow.send(bytes(size))
            assert await collect(flow, 1) == [bytes(size)]
        assert site.received == [bytes(size) for size in sizes]


async def test_two_flows_are_two_sockets() -> None:
    """Two flows to one site have a socket each, and each answer finds its flow."""
    async with world() as here:
        site = here.site()
        (_, one), (_, two) = here.open(HOST, site.port), here.open("localhost", site.port)
        one.send(b"one")
        two.send(b"two")
        assert (await collect(one, 1), await collect(two, 1)) == ([b"one"], [b"two"])


async def test_only_the_peers_datagrams_are_passed_on() -> None:
    """Datagrams of others do not reach a client, even if they know the exit's port."""
    async with world() as here:
        site, stranger = here.site(), here.site(OTHER)
        _, flow = here.open(HOST, site.port)
        flow.send(b"hello")
        await collect(flow, 1)
        stranger.socket.sendto(b"unasked", site.visitor)
        here.site(HOST).socket.sendto(b"other port", site.visitor)
        site.socket.sendto(b"answer", site.visitor)
        assert await collect(flow, 1) == [b"answer"]
        flow.send(b"last")
        assert await collect(flow, 1) == [b"last"]
        assert stranger.received == []


# --- policy: nothing is sent to what is denied --------------------------------------------------


def answering(*addresses: str) -> Any:
    """Return a resolver that gives these addresses for every name."""

    async def resolve(_name: str, _origin: bytes) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(address) for address in addresses]

    return resolve


@pytest.mark.parametrize(
    "host",
    [HOST, "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "localhost", "0.0.0.0", "::", OTHER],
)
async def test_canaries_on_loopback_hear_nothing(host: str) -> None:
    """Loopback is refused by literal, embedded literal and name, and gets no datagram."""
    async with world(policy=ConnectionPolicy(ports=None, udp_ports=None)) as here:
        canary = here.site("::")  # both families
        assert await here.refused(host, canary.port) is Failure.POLICY
        await here.idle()
        assert canary.received == []


@pytest.mark.parametrize("answer", [(OTHER, HOST), (HOST, OTHER), (HOST, OTHER, "::1")])
async def test_only_the_permitted_of_a_names_addresses_is_used(answer: tuple[str, ...]) -> None:
    """A denied address gets no datagram, whatever the order of a name's addresses."""
    policy = ConnectionPolicy(allow=(ipaddress.ip_network(f"{OTHER}/32"),), udp_ports=None)
    async with world(policy=policy) as here:
        here.table._resolver = answering(*answer)
        canary = here.site(HOST)
        site = here.site(OTHER, canary.port)
        _, flow = here.open("name.example", site.port)
        flow.send(b"hello")
        assert await collect(flow, 1) == [b"hello"]
        assert (site.received, canary.received) == ([b"hello"], [])


async def test_each_flow_is_judged_anew() -> None:
    """A name that led somewhere permitted and now leads elsewhere is refused."""
    policy = ConnectionPolicy(allow=(ipaddress.ip_network(f"{OTHER}/32"),), udp_ports=None)
    async with world(policy=policy) as here:
        canary = here.site(HOST)
        site = here.site(OTHER, canary.port)
        here.table._resolver = answering(OTHER)
        _, flow = here.open("name.example", site.port)
        flow.send(b"hello")
        await collect(flow, 1)
        here.table._resolver = answering(HOST)
        flow.send(b"still here")
        await collect(flow, 1)
        assert await here.refused("name.example", canary.port) is Failure.POLICY
        assert canary.received == []


@pytest.mark.parametrize(
    ("port", "failure"),
    [(53, Failure.POLICY), (25, Failure.POLICY), (80, Failure.POLICY), (123, Failure.POLICY)],
)
async def test_ports_are_those_for_datagrams(port: int, failure: Failure) -> None:
    """By default 53 and 443 are open for UDP, whatever is open for TCP."""
    async with world(policy=ConnectionPolicy()) as here:
        assert await here.refused("10.1.2.3", port) is failure


@pytest.mark.parametrize(
    ("host", "failure"),
    [("10.1.2.3", Failure.POLICY), ("name.invalid", Failure.DNS)],
)
async def test_failures_are_told(host: str, failure: Failure) -> None:
    """The client learns why there is no flow, and the exit keeps nothing of it."""
    async with world() as here:
        assert await here.refused(host, 53) is failure
        await here.idle()


# --- life ---------------------------------------------------------------------------------------


async def test_an_idle_flow_ends_in_good_order() -> None:
    """An idle flow is ended and its socket closed; the site's datagrams do not keep it alive."""
    async with world(lifetimes=Lifetimes(flow_idle_s=0.1)) as here:
        site = here.site()
        _, flow = here.open(HOST, site.port)
        flow.send(b"hello")
        await collect(flow, 1)

        async def chatter() -> None:
            while True:
                site.socket.sendto(b"unasked", site.visitor)
                await asyncio.sleep(0.01)

        talking = asyncio.ensure_future(chatter())
        async with asyncio.timeout(5):
            while await flow.receive():
                pass
        talking.cancel()
        await here.idle()
        async with asyncio.timeout(5):
            while here.client.tunnel.stream_count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_a_flow_in_use_stays() -> None:
    """A flow whose client sends now and then outlives the idle time."""
    async with world(lifetimes=Lifetimes(flow_idle_s=0.3)) as here:
        site = here.site()
        _, flow = here.open(HOST, site.port)
        for number in range(12):
            flow.send(b"%d" % number)
            await asyncio.sleep(0.05)
        assert await collect(flow, 12) == [b"%d" % number for number in range(12)]
        assert len(here.table.flows) == 1


async def test_the_clients_end_ends_a_flow() -> None:
    """The exit answers END_STREAM with its own."""
    async with world() as here:
        site = here.site()
        stream, flow = here.open(HOST, site.port)
        flow.send(b"hello")
        await collect(flow, 1)
        stream.write_end()
        async with asyncio.timeout(5):
            assert await flow.receive() == []
        await here.idle()
        assert here.client.tunnel.stream_count == 0


async def test_a_closed_port_ends_its_flow() -> None:
    """A closed port's ICMP resets the flow, and the session lives."""
    async with world() as here:
        site = here.site()
        port = site.port
        here.sites.pop().close()
        stream, flow = here.open(HOST, port)
        flow.send(b"anybody?")
        async with asyncio.timeout(5):
            assert await stream.broken() is Failure.SESSION_LOST
        await here.idle()
        assert not here.client.tunnel.ended


async def test_a_reset_closes_the_socket_and_gives_up_a_look_up() -> None:
    """A client that opens and resets without end leaves nothing behind."""

    async def slowly(_name: str, _origin: bytes) -> Sequence[IPAddress]:
        await asyncio.Event().wait()
        raise AssertionError

    async with world() as here:
        stream, flow = here.open(HOST, here.site().port)
        flow.send(b"hello")
        await collect(flow, 1)
        stream.abort()
        await here.idle()
        here.table._resolver = slowly  # type: ignore[assignment]
        for _ in range(2 * limits.STREAMS_PER_SESSION):
            stream, _ = here.open("slow.example", 53)
            await asyncio.sleep(0)
            stream.abort()
        await here.idle()
        assert not here.client.tunnel.ended


async def test_the_end_of_the_session_ends_its_flows() -> None:
    """No flow outlives its session."""
    async with world() as here:
        for _ in range(3):
            stream, _ = here.open(HOST, here.site().port)
            await stream.opened()
        here.client.tunnel.close()
        await here.idle()


async def test_close_ends_everything() -> None:
    """An exit that closes waits for no flow, and takes no new ones."""
    async with world() as here:
        stream, _ = here.open(HOST, here.site().port)
        await stream.opened()
        async with asyncio.timeout(5):
            await here.table.close()
        assert await stream.broken() is Failure.SESSION_LOST
        assert len(here.table.flows) == 0
    async with world() as here:
        await here.table.flows.close()
        assert await here.refused(HOST, 53) is Failure.INTERNAL


# --- bounds and hostility -----------------------------------------------------------------------


async def test_flows_of_a_session_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks for one more is refused with LIMIT; one that ends makes room."""
    async with world() as here:
        port = here.site().port
        streams = [here.open(HOST, port)[0] for _ in range(4)]
        monkeypatch.setattr(limits, "FLOWS_PER_SESSION", 3)  # the client has asked already
        for stream in streams[:3]:
            await stream.opened()
        assert await streams[3].broken() is Failure.LIMIT
        streams[0].abort()
        await here.idle(left=2)
        await here.open(HOST, port)[0].opened()
        assert len(here.table.flows) == 3


async def test_flows_of_an_exit_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exit's flows have a limit over all sessions."""
    monkeypatch.setattr(limits, "EXIT_FLOWS", 2)
    async with world() as here:
        port = here.site().port
        for _ in range(2):
            await here.open(HOST, port)[0].opened()
        assert await here.refused(HOST, port) is Failure.LIMIT


async def test_a_flow_of_whoever_has_most_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the exit has as many as it can, another network's reader is served all the same."""
    monkeypatch.setattr(limits, "EXIT_FLOWS", 3)
    async with world() as here:
        port = here.site().port
        heavy, honest = (Client(here.table, tags=each) for each in (b"h" * 12, b"l" * 12))
        for client in (heavy, honest):
            await client.join()
            await client.tunnel.offers_flows()
        flows = [heavy.tunnel.open_flow(HOST, port) for _ in range(3)]
        for stream in flows:
            await stream.opened()
        await honest.tunnel.open_flow(HOST, port).opened()
        assert await flows[2].broken() is Failure.SESSION_LOST
        assert await heavy.tunnel.open_flow(HOST, port).broken() is Failure.LIMIT
        await here.idle(left=3)
        for client in (heavy, honest):
            client.tunnel.close()


async def test_out_of_sockets_is_told_as_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without free sockets a flow is refused with LIMIT, and the exit goes on."""

    def none_left(*_arguments: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async with world() as here:
        site = here.site()
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", none_left)
            assert await here.refused(HOST, site.port) is Failure.LIMIT
        _, flow = here.open(HOST, site.port)
        flow.send(b"hello")
        assert await collect(flow, 1) == [b"hello"]


async def test_a_flooding_site_is_held_back() -> None:
    """If nobody reads, a window and a queue are held and the rest dropped; others go on."""
    async with world() as here:
        site = here.site()
        stream, flow = here.open(HOST, site.port)
        flow.send(b"hello")
        await collect(flow, 1)
        for _ in range(1500):
            site.socket.sendto(bytes(1200), site.visitor)
            await asyncio.sleep(0)
        held = stream.unread
        assert 0 < held <= limits.STREAM_WINDOW_BYTES
        (session,) = here.table._sessions.values()
        (serving,) = session.tunnel._streams._open.values()
        assert 0 < serving.queued <= limits.FLOW_QUEUE_BYTES
        _, other = here.open(HOST, site.port)
        other.send(b"still")
        assert await collect(other, 1) == [b"still"]


@pytest.mark.parametrize(
    "capsules",
    [
        b"\0\0",
        b"\0\1\x40",
        b"\0" + encode_integer(limits.DATAGRAM_BYTES + 9),
        b"\0" + encode_integer(2**62 - 1),
        encode_datagram(bytes(limits.DATAGRAM_BYTES + 1)),
    ],
    ids=["no context", "cut context", "too long", "endless", "one too many"],
)
async def test_hostile_capsules_end_their_flow_only(capsules: bytes) -> None:
    """A capsule that RFC 9297 or 9298 forbids resets its stream only."""
    async with world() as here:
        site = here.site()
        _, other = here.open(HOST, site.port)
        stream, _ = here.open(HOST, site.port)
        await stream.opened()
        await stream.write(capsules)
        async with asyncio.timeout(5):
            assert await stream.broken() is Failure.SESSION_LOST
        other.send(b"still")
        assert await collect(other, 1) == [b"still"]
        assert len(here.table.flows) == 1


async def test_unknown_capsules_are_skipped() -> None:
    """Datagrams behind capsules of other types or contexts arrive, however they are cut."""
    data = b"\x17\x03abc" + b"\0\x02\x01x" + encode_datagram(b"hello")
    async with world() as here:
        site = here.site()
        stream, flow = here.open(HOST, site.port)
        for byte in data:
            await stream.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await collect(flow, 1) == [b"hello"]
        assert site.received == [b"hello"]


async def test_an_exit_without_udp_offers_none() -> None:
    """Without open ports the exit's settings offer no UDP, and a request is reset."""
    async with world(policy=ConnectionPolicy(udp_ports=frozenset())) as here:
        assert not await here.client.tunnel.offers_flows()
        with pytest.raises(StreamFailed) as caught:
            here.open(HOST, 53)
        assert caught.value.failure is Failure.NO_DATAGRAMS


async def test_nothing_about_destinations_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither refused nor served destinations are logged."""
    caplog.set_level(logging.DEBUG)
    async with world() as here:
        for host in ("10.9.8.7", "secret-name.invalid"):
            await here.refused(host, 4711)
        here.client.tunnel.close()
        assert await here.client.owner.ended is LinkCode.NORMAL
    for secret in ("10.9.8.7", "secret-name", "4711"):
        assert secret not in caplog.text


# --- what the exit's other limits make of flows -------------------------------------------------


async def test_flows_use_up_the_tickets_streams() -> None:
    """TCP and UDP share a quota; a flow that ended is given back, and counted by its ending."""
    async with world(quota=Quota(streams_per_session=2)) as here:
        port = here.site().port
        streams = [here.open(HOST, port)[0] for _ in range(2)]
        for stream in streams:
            await stream.opened()
        assert await here.refused(HOST, port) is Failure.LIMIT
        (session,) = here.table._sessions.values()
        assert (session.account.streams, here.table.stream_count) == (2, 2)
        streams[0].write_end()
        streams[1].abort()
        await here.idle()
        assert (session.account.streams, here.table.stream_count) == (0, 0)
        assert here.table.counts.streams.by_value[StreamEnding.DONE.value] == 1
        assert here.table.counts.streams.by_value[StreamEnding.BROKEN.value] == 1


async def test_the_tickets_rate_drops_datagrams() -> None:
    """Datagrams beyond the rate are lost in both directions, and the flow goes on."""
    async with world(quota=Quota(bytes_per_s=20_000.0)) as here:
        site = here.site()
        stream, flow = here.open(HOST, site.port)
        await stream.opened()
        for _ in range(200):
            flow.send(bytes(1000))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while len(site.received) < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            answers = asyncio.ensure_future(collect(flow, 1))
            while not answers.done():
                flow.send(b"now and then")
                await asyncio.sleep(0.02)
        assert site.received.count(bytes(1000)) < 60
        assert len(here.table.flows) == 1


async def test_a_flow_that_lasts_too_long_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow is broken off after its longest time, as a TCP stream is."""
    monkeypatch.setattr(sessions, "SWEEP_S", 0.02)
    lifetimes = Lifetimes(stream_total_s=0.05)
    async with world(lifetimes=lifetimes) as here:
        stream, flow = here.open(HOST, here.site().port)
        flow.send(b"hello")
        async with asyncio.timeout(5):
            assert await stream.broken() is Failure.SESSION_LOST
        await here.idle()
        assert here.table.counts.streams.by_value[StreamEnding.EXPIRED.value] == 1


async def test_refusals_of_the_policy_are_counted() -> None:
    """Refusals are counted by reason, and answered a multiple of the step after the request."""
    loop = asyncio.get_running_loop()
    async with world(policy=ConnectionPolicy(), refusal_s=0.1) as here:
        start = loop.time()
        assert await here.refused("10.1.2.3", 53) is Failure.POLICY
        assert loop.time() - start >= 0.1
        assert here.table.counts.refusals.by_value["private"] == 1
        await here.idle()
        assert here.table.counts.streams.by_value[StreamEnding.REFUSED.value] == 1
