"""UDP through a whole network: applications' datagrams, associations, and their bounds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from passerelle import limits
from passerelle.client import datagrams
from passerelle.client.datagrams import UdpAssociations
from passerelle.client.proxy import LocalProxy
from passerelle.client.service import Client
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.localport.udpassociate import Drop
from passerelle.errors import Failure, StreamFailed
from passerelle.exit.config import Lifetimes
from passerelle.io.net import udp
from passerelle.io.tunnel.flow import Flow
from passerelle.io.tunnel.stream import TunnelStream
from tests.io.tunnel.pipes import Relay as RelayOfLink
from tests.io.tunnel.pipes import Tunnels, honest
from tests.network import HOST, network
from tests.rig.certificate import Certificate
from tests.rig.dig import dig
from tests.rig.http3 import http3_client, http3_server
from tests.rig.nameserver import NameServer
from tests.rig.site import blob
from tests.rig.udprelay import Association, Relay, destination

# --- the whole path -----------------------------------------------------------------------------


@asynccontextmanager
async def connected(**exit_changes: Any) -> AsyncIterator[Client]:
    """A client of a network with one volunteer."""
    async with network(**exit_changes) as net:
        await net.volunteer()
        client, _ = await net.client()
        yield client


async def test_dig_through_everything() -> None:
    """Names are found through a name server behind the exit, question by question."""
    async with (
        connected() as client,
        NameServer({"far.example": "192.0.2.7", "other.example": "192.0.2.8"}) as server,
        Association(client.port) as association,
        Relay(association, HOST, server.port) as relay,
    ):
        assert await dig(relay.port, "far.example") == "192.0.2.7\n"
        assert await dig(relay.port, "other.example", "A") == "192.0.2.8\n"
        assert await dig(relay.port, "nowhere.example") == ""
        assert server.questions == ["far.example", "other.example", "nowhere.example"]


async def test_http3_through_everything(tmp_path: Path) -> None:
    """A QUIC handshake, a download and an upload arrive whole; the exit resolves the name."""
    certificate = Certificate.make(tmp_path)
    async with (
        connected() as client,
        http3_server(certificate) as port,
        Association(client.port) as association,
        Relay(association, "localhost", port) as relay,
        asyncio.timeout(40),
        http3_client(certificate, relay.port) as browser,
    ):
        assert await browser.fetch("/bytes/1000") == blob(1000)
        bodies = await asyncio.gather(*(browser.fetch(f"/bytes/{n}00000") for n in (1, 5, 10)))
        assert bodies == [blob(100_000), blob(500_000), blob(1_000_000)]
        assert await browser.fetch("/", upload=blob(300_000)) == b"300000"


@pytest.mark.parametrize("policy", [ConnectionPolicy(udp_ports=frozenset())])
async def test_an_exit_without_udp_is_told_as_command_not_supported(
    policy: ConnectionPolicy,
) -> None:
    """SOCKS reply 7, and the connection ends; TCP goes on (see the other tests)."""
    async with connected(policy=policy) as client, Association(client.port) as association:
        assert association.reply == 7
        async with asyncio.timeout(5):
            await association.ended()


async def test_without_a_volunteer_the_application_is_told() -> None:
    """A UDP association gets a general failure after the patience that a TCP stream gets."""
    async with network() as net:
        client, _ = await net.client(patience_s=0.1)
        async with Association(client.port) as association:
            assert association.reply == 1


async def test_an_idle_flow_ends_at_the_exit_and_opens_anew() -> None:
    """The exit closes its socket; the application notices nothing when it asks again."""
    async with (
        connected(lifetimes=Lifetimes(flow_idle_s=0.05)) as client,
        NameServer({"far.example": "192.0.2.7"}) as server,
        Association(client.port) as association,
        Relay(association, HOST, server.port) as relay,
    ):
        for _ in range(2):
            assert await dig(relay.port, "far.example") == "192.0.2.7\n"
            async with asyncio.timeout(5):
                assert client._supervisor is not None
                while client._supervisor._sessions.present.tunnel.stream_count:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)


async def test_flows_survive_the_loss_of_their_session() -> None:
    """The exit forgot the session: the next one carries the same association."""
    async with (
        network() as net,
        NameServer({"far.example": "192.0.2.7"}) as server,
    ):
        volunteer = await net.volunteer()
        client, _ = await net.client()
        async with (
            Association(client.port) as association,
            Relay(association, HOST, server.port) as relay,
        ):
            assert await dig(relay.port, "far.example") == "192.0.2.7\n"
            (session,) = net.exit._sessions._sessions.values()
            session.tunnel.close()
            await volunteer.channels[0].close()
            # What is under way when a session ends is lost; dig says that it asks again.
            answer = await dig(relay.port, "+tries=6", "+timeout=2", "far.example")
            assert answer.splitlines()[-1] == "192.0.2.7"


# --- one association, in front of a tunnel ------------------------------------------------------


class Scene:
    """A client's local port in front of a tunnel whose exit answers each datagram in upper case."""

    def __init__(self, idle_s: float) -> None:
        self.tunnels = Tunnels()
        self.opened: list[tuple[str, int]] = []
        self.failure: Failure | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.flows: list[Flow] = []
        self.served: list[TunnelStream] = []
        self.associations = UdpAssociations(self.tunnels.client.offers_flows, self._open, idle_s)
        self.proxy = LocalProxy(self._never, self.associations)
        self._serving = asyncio.ensure_future(self._serve())
        self._echoes: list[asyncio.Future[None]] = []

    async def _never(self, host: str, port: int) -> TunnelStream:
        raise AssertionError

    async def _open(self, host: str, port: int) -> TunnelStream:
        self.opened.append((host, port))
        await self.hold.wait()
        if self.failure is not None:
            raise StreamFailed(self.failure)
        return self.tunnels.client.open_flow(host, port)

    async def _serve(self) -> None:
        while True:
            stream, _, _ = await self.tunnels.exit_owner.flows.get()
            stream.accept()
            self.served.append(stream)
            self.flows.append(Flow(stream))
            self._echoes.append(asyncio.ensure_future(self._echo(self.flows[-1])))

    @staticmethod
    async def _echo(flow: Flow) -> None:
        try:
            while payloads := await flow.receive():
                for payload in payloads:
                    flow.send(payload.upper())
        except StreamFailed:
            pass

    async def settle(self, *, streams: int) -> None:
        """Wait until so many flows are open at the client."""
        async with asyncio.timeout(5):
            while self.tunnels.client.stream_count != streams:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        await self.proxy.close()
        self.tunnels.close()
        for work in (self._serving, *self._echoes):
            work.cancel()
        await asyncio.gather(self._serving, *self._echoes, return_exceptions=True)


@asynccontextmanager
async def scene(*, up: RelayOfLink = honest, idle_s: float = 60) -> AsyncIterator[Scene]:
    made = Scene(idle_s)
    await made.tunnels.link(up)
    await made.proxy.start(HOST, 0)
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "name.example"])
async def test_answers_carry_their_destination(host: str) -> None:
    """Each kind of address comes back as it went."""
    async with scene() as world, Association(world.proxy.port) as association:
        association.send(host, 53, b"hello")
        assert await association.receive() == destination(host, 53) + b"HELLO"
        assert world.opened == [(host, 53)]


async def test_one_flow_per_destination() -> None:
    """Later datagrams use the flow there is; port and host both tell destinations apart."""
    async with scene() as world, Association(world.proxy.port) as association:
        for host, port in [("a.example", 53), ("a.example", 443), ("b.example", 53)]:
            for text in (b"one", b"two"):
                association.send(host, port, text)
                assert await association.receive() == destination(host, port) + text.upper()
        assert world.opened == [("a.example", 53), ("a.example", 443), ("b.example", 53)]


async def test_every_size_passes() -> None:
    """Empty, small, and the largest that fits a datagram with its SOCKS header."""
    async with scene() as world, Association(world.proxy.port) as association:
        for size in (0, 1, 1200, 9000, 65_507 - 10):
            association.send("192.0.2.1", 53, bytes(size))
            assert await association.receive() == destination("192.0.2.1", 53) + bytes(size)


async def test_the_association_ends_with_its_connection() -> None:
    """RFC 1928 §7: its flows are reset at once."""
    async with scene() as world:
        async with Association(world.proxy.port) as association:
            association.send("a.example", 53, b"hello")
            await association.receive()
            assert world.tunnels.client.stream_count == 1
        await world.settle(streams=0)
        async with asyncio.timeout(5):
            assert await world.served[0].broken() is Failure.SESSION_LOST


async def test_what_the_application_says_on_its_connection_is_ignored() -> None:
    """The connection of an association need only stay open."""
    async with scene() as world, Association(world.proxy.port) as association:
        association.writer.write(b"noise" * 1000)
        await association.writer.drain()
        association.send("a.example", 53, b"hello")
        await association.receive()


async def strangers_datagram(association: Association, world: Scene) -> None:
    """Send from another port of the same machine, and then from the application."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(destination("evil.example", 53) + b"x", association.socket.getpeername())
        association.send("a.example", 53, b"hello")
        assert (await association.receive()).endswith(b"HELLO")
        assert ("evil.example", 53) not in world.opened
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(100)


async def test_only_the_application_may_use_its_association() -> None:
    """An application that named its port is heard from that port only."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    async with scene() as world, Association(world.proxy.port, own_port=port) as association:
        await strangers_datagram(association, world)


async def test_the_first_proper_datagram_claims_an_association() -> None:
    """An application that named no port is heard from the port of its first proper datagram."""
    async with scene() as world, Association(world.proxy.port) as association:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"noise", association.socket.getpeername())
        association.send("a.example", 53, b"hello")
        await association.receive()
        await strangers_datagram(association, world)


async def test_malformed_datagrams_and_fragments_open_nothing() -> None:
    """Each malformed datagram is dropped by itself, and the next proper one passes."""
    async with scene() as world, Association(world.proxy.port) as association:
        for noise in (b"", b"\0\0", b"\0\0\1" + destination("a.example", 53)[3:] + b"x",
                      destination("127.1", 53), destination("a.example", 0)):  # fmt: skip
            association.socket.send(noise)
        association.send("a.example", 53, b"hello")
        await association.receive()
        assert world.opened == [("a.example", 53)]


async def test_other_machines_addresses_are_strangers() -> None:
    """The association belongs to the address its connection came from."""
    async with scene() as world:
        local = udp.bound(HOST)
        association = datagrams.UdpAssociation(world._open, local, ("127.0.0.9", 0), 60)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(destination("a.example", 53) + b"x", local.getsockname())
            async with asyncio.timeout(5):
                while not association.dropped:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        assert association.dropped == {Drop.STRANGER: 1}
        await association.close()


# --- bounds -------------------------------------------------------------------------------------


@asynccontextmanager
async def bare(world: Scene) -> AsyncIterator[tuple[datagrams.UdpAssociation, socket.socket]]:
    """An association without a connection, and an application's socket."""
    local = udp.bound(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as application:
        application.connect(local.getsockname())
        association = datagrams.UdpAssociation(world._open, local, (HOST, 0), 60)
        try:
            yield association, application
        finally:
            await association.close()


async def taken(association: datagrams.UdpAssociation, count: int, total: list[int]) -> None:
    """Wait until `count` more datagrams were dropped."""
    total[0] += count
    async with asyncio.timeout(5):
        while association.dropped.total() < total[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_flood_to_many_destinations_is_bounded() -> None:
    """Datagrams to more destinations than allowed are dropped while the others are in use."""
    async with scene() as world, bare(world) as (association, application):
        count = limits.ASSOCIATION_FLOWS + 50
        for number in range(count):
            application.send(destination(f"n{number}.example", 53) + b"x")
            await asyncio.sleep(0)
        await taken(association, 50, [0])
        assert association.dropped == {Drop.FLOWS: 50}
        assert association.flow_count == limits.ASSOCIATION_FLOWS
        assert len(world.opened) == limits.ASSOCIATION_FLOWS


async def test_an_old_destination_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow unused for longest is ended for a new one, and can come back later."""
    monkeypatch.setattr(limits, "ASSOCIATION_FLOWS", 2)
    monkeypatch.setattr(datagrams, "REPLACEABLE_AFTER_S", 0.0)
    async with scene() as world, Association(world.proxy.port) as association:
        for name in ("a", "b", "a", "c", "a", "b"):
            association.send(f"{name}.example", 53, name.encode())
            assert (await association.receive()).endswith(name.upper().encode())
        assert [host[0] for host, _ in world.opened] == ["a", "b", "c", "b"]
        await world.settle(streams=2)


async def test_what_waits_for_a_flow_is_bounded() -> None:
    """Before there is a link, bytes up to a limit wait and arrive in order; the rest is dropped."""
    async with scene() as world, bare(world) as (association, application):
        world.hold.clear()
        most = limits.FLOW_WAITING_BYTES // 1000
        for number in range(most + 30):
            application.send(destination("a.example", 53) + bytes([number]) * 1000)
            await asyncio.sleep(0)
        await taken(association, 30, [0])
        assert association.dropped == {Drop.QUEUE: 30}
        world.hold.set()
        application.setblocking(False)
        async with asyncio.timeout(5):
            for number in range(most):
                answer = await asyncio.get_running_loop().sock_recv(application, 2000)
                assert answer.endswith(bytes([number]).upper() * 1000)


async def test_a_flood_to_one_destination_is_bounded() -> None:
    """With a relay that passes nothing on, no more than the queue is held, the rest dropped."""
    stuck = False

    def relay(_index: int, message: bytes) -> Iterable[bytes]:
        return () if stuck else (message,)

    async with scene(up=relay) as world, bare(world) as (association, application):
        application.send(destination("a.example", 53) + b"first")
        application.settimeout(5)
        async with asyncio.timeout(5):
            await asyncio.to_thread(application.recv, 100)
        stuck = True
        total = 0
        while not association.dropped[Drop.QUEUE]:
            for _ in range(50):
                application.send(destination("a.example", 53) + bytes(1200))
                total += 1
                await asyncio.sleep(0)
            assert total < 2000
        (stream,) = world.tunnels.client._streams._open.values()
        assert stream.queued <= limits.FLOW_QUEUE_BYTES


async def test_too_many_associations(monkeypatch: pytest.MonkeyPatch) -> None:
    """One association beyond the limit is refused, and one that ends makes room."""
    monkeypatch.setattr(limits, "CLIENT_ASSOCIATIONS", 1)
    async with scene() as world:
        async with Association(world.proxy.port) as first:
            assert first.reply == 0
            async with Association(world.proxy.port) as second:
                assert second.reply == 1
        async with asyncio.timeout(5):
            while world.associations._count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        async with Association(world.proxy.port) as third:
            assert third.reply == 0


@pytest.mark.parametrize("failure", [Failure.POLICY, Failure.NO_VOLUNTEER])
async def test_a_refused_destination_is_left_alone_for_a_while(
    failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Datagrams to a refused destination open no streams and do not hold up other destinations."""
    monkeypatch.setattr(datagrams, "RETRY_S", 60)
    async with scene() as world, Association(world.proxy.port) as association:
        world.failure = failure
        for _ in range(20):
            association.send("a.example", 53, b"x")
            await asyncio.sleep(0.001)
        world.failure = None
        association.send("b.example", 53, b"hello")
        assert (await association.receive()).endswith(b"HELLO")
        assert world.opened == [("a.example", 53), ("b.example", 53)]


async def test_an_idle_flow_ends_at_the_client() -> None:
    """What an application no longer uses holds no stream; answers alone do not keep it open."""
    async with scene(idle_s=0.1) as world, Association(world.proxy.port) as association:
        association.send("a.example", 53, b"hello")
        await association.receive()
        async with asyncio.timeout(5):
            while world.tunnels.client.stream_count:
                world.flows[0].send(b"unasked")
                await asyncio.sleep(0.01)
        association.send("a.example", 53, b"again")
        async with asyncio.timeout(5):
            while not (await association.receive()).endswith(b"AGAIN"):
                pass


async def test_hostile_capsules_end_their_flow_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed capsule from the exit breaks one flow off; the others and the session live."""
    monkeypatch.setattr(datagrams, "RETRY_S", 0.02)
    async with scene() as world, Association(world.proxy.port) as association:
        for name in ("a", "b"):
            association.send(f"{name}.example", 53, b"hello")
            await association.receive()
        await world.served[0].write(b"\0\0")
        async with asyncio.timeout(5):
            await world.served[0].broken()
        await world.settle(streams=1)
        association.send("b.example", 53, b"still")
        assert await association.receive() == destination("b.example", 53) + b"STILL"
        await asyncio.sleep(0.05)
        association.send("a.example", 53, b"again")
        assert await association.receive() == destination("a.example", 53) + b"AGAIN"
