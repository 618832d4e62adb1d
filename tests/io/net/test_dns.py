from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import cast

import aiodns
import pytest

from passerelle import limits
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net.dns import CACHE_LEAST_S, CACHE_MOST_S, RESOLUTION_DELAY_S, Resolver
from tests.rig.dns import Zone
from tests.rig.ports import free_udp_ports

HOST = "127.0.0.1"
Names = Mapping[str, Sequence[Sequence[str] | None]]


class Server(asyncio.DatagramProtocol):
    """A name server on loopback; it does not answer questions of the types in `silent`.

    Names that begin with `slow` are known `slow_s` after the first question, as at a server that
    has to ask others: it answers every question of the meantime then.
    """

    def __init__(self, zone: Zone, silent: str = "", slow_s: float = 0) -> None:
        self.zone = zone
        self._silent = silent
        self._slow_s = slow_s
        self._known_at: dict[str, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In Python 3.11 the transport is not an instance of this class, but has the same methods.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        answer = self.zone.answer(data)
        kind = list(self.zone.asked)[-1][1] if self._silent else ""
        if answer is None or kind == (self._silent or None):
            return
        loop = asyncio.get_running_loop()
        name = list(self.zone.asked)[-1][0]
        slow_s = self._slow_s if name.startswith("slow") else 0
        known_at = self._known_at.setdefault(name, loop.time() + slow_s)
        loop.call_at(known_at, self._answer, answer, peer)

    def _answer(self, answer: bytes, peer: tuple[str, int]) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(answer, peer)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def served(
    names: Names, *, ttl_s: int = 0, silent: str = "", timeout_s: float = 5, slow_s: float = 0
) -> AsyncIterator[tuple[Resolver, Zone, Clock]]:
    zone, clock = Zone(names, ttl_s), Clock()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(zone, silent, slow_s), (HOST, 0)
    )
    port = transport.get_extra_info("sockname")[1]
    resolver = Resolver(servers=[HOST], port=port, timeout_s=timeout_s, clock=clock)
    try:
        yield resolver, zone, clock
    finally:
        await resolver.close()
        transport.close()


async def test_name_from_the_hosts_file() -> None:
    """The system's own names resolve without a server, and each address is returned once."""
    async with served({}) as (resolver, zone, _):
        addresses = await resolver("localhost")
    assert set(addresses) <= {ip_address("127.0.0.1"), ip_address("::1")}
    assert len(set(addresses)) == len(addresses) > 0
    assert not zone.asked


async def test_a_channel_that_does_nothing_is_replaced() -> None:
    """c-ares sets such ones up where many are opened at once; names are found all the same."""
    (port,) = free_udp_ports(1)
    async with served({"site.example": [["1.1.1.1"]]}) as (resolver, _, _):
        resolver._channel = aiodns.DNSResolver(
            [HOST], lookups="b", tries=1, udp_port=port, tcp_port=port
        )
        assert await resolver("site.example") == (ip_address("1.1.1.1"),)


async def test_names_of_this_machine_need_no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """c-ares now and then sets up a channel that finds no name, whatever it is asked again."""
    (port,) = free_udp_ports(1)
    dead = partial(aiodns.DNSResolver, [HOST], tries=1, udp_port=port, tcp_port=port)
    monkeypatch.setattr("passerelle.io.net.dns.aiodns.DNSResolver", lambda *_, **_options: dead())
    resolver = Resolver()
    try:
        assert ip_address("127.0.0.1") in await resolver("herald.localhost")
        assert resolver._channel is None
    finally:
        await resolver.close()


async def test_both_families_ipv6_first() -> None:
    """Each family is asked for once, and IPv6 addresses come first; the caller interleaves them."""
    names = {"site.example": [["1.1.1.1", "1.0.0.1", "2606:4700::1"]]}
    async with served(names) as (resolver, zone, _):
        found = await resolver("site.example")
    assert found[0] == ip_address("2606:4700::1")
    assert set(found[1:]) == {ip_address("1.1.1.1"), ip_address("1.0.0.1")}
    assert zone.asked == {("site.example", "A"): 1, ("site.example", "AAAA"): 1}


@pytest.mark.parametrize("silent", ["AAAA", "A"])
async def test_a_silent_family_costs_a_moment(silent: str) -> None:
    """If one family is late, the other is used after the resolution delay (RFC 8305 §3)."""
    async with served({"site.example": [["1.1.1.1", "2606:4700::1"]]}, silent=silent) as served_:
        start_s = asyncio.get_running_loop().time()
        (found,) = await served_[0]("site.example")
        took_s = asyncio.get_running_loop().time() - start_s
    assert found.version == (4 if silent == "AAAA" else 6)
    assert took_s >= 0.9 * RESOLUTION_DELAY_S


@pytest.mark.parametrize("name", ["nothing.example", "a" * 64 + ".example", "a..example"])
async def test_no_such_name(name: str) -> None:
    """A name without addresses, or a malformed one, fails as DNS; the failure is cached, too."""
    async with served({}) as (resolver, zone, _):
        for _repeat in range(2):
            with pytest.raises(StreamFailed) as caught:
                await resolver(name)
            assert caught.value.failure is Failure.DNS
    assert all(count == 1 for count in zone.asked.values())


async def test_a_silent_server_is_not_waited_for() -> None:
    """With a silent server the look-up ends in time, as one without an answer."""
    async with served({"slow.example": [None]}, timeout_s=0.02) as (resolver, _, _):
        with pytest.raises(StreamFailed) as caught:
            await resolver("slow.example")
    assert caught.value.failure is Failure.DNS


@pytest.mark.parametrize(
    ("ttl_s", "kept_s"), [(0, CACHE_LEAST_S), (10, 10.0), (86_400, CACHE_MOST_S)]
)
async def test_answers_are_kept_for_their_time(ttl_s: int, kept_s: float) -> None:
    """Answers are cached for their time to live, but neither less than a second nor for a day."""
    names = {"site.example": [["1.1.1.1"], ["1.0.0.1"]]}
    async with served(names, ttl_s=ttl_s) as (resolver, zone, clock):
        first = await resolver("site.example")
        assert resolver._cache["site.example"].until_s == clock.now_s + kept_s
        clock.now_s += kept_s - 0.1
        assert await resolver("site.example") == first
        assert zone.asked["site.example", "A"] == 1
        if ttl_s == 0:  # otherwise c-ares, too, would not ask again before the time is over
            clock.now_s += 0.2
            assert await resolver("site.example") == (ip_address("1.0.0.1"),)


async def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the cache is full, the oldest answers are dropped."""
    monkeypatch.setattr("passerelle.io.net.dns.DNS_CACHE", 3)
    names = {f"s{n}.example": [["1.1.1.1"]] for n in range(5)}
    async with served(names, ttl_s=50) as (resolver, _, _):
        for name in names:
            await resolver(name)
        assert list(resolver._cache) == ["s2.example", "s3.example", "s4.example"]


async def test_the_library_forgets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unbounded cache of c-ares is emptied now and then."""
    monkeypatch.setattr("passerelle.io.net.dns.DNS_CACHE", 2)
    async with served({"a.example": [["1.1.1.1"]], "b.example": [["1.1.1.1"]]}, ttl_s=50) as (
        resolver,
        zone,
        clock,
    ):
        await resolver("a.example")
        await resolver("b.example")
        clock.now_s += 51
        async with asyncio.timeout(5):
            while zone.asked["a.example", "A"] < 2:
                await resolver("a.example")
                clock.now_s += 51


async def test_the_addresses_of_one_name_are_bounded() -> None:
    """Of an answer with very many addresses only some are kept."""
    many = [f"1.1.{n // 200}.{n % 200}" for n in range(2 * limits.DNS_ADDRESSES)]
    async with served({"many.example": [many[:100]]}) as (resolver, _, _):
        assert len(await resolver("many.example")) <= limits.DNS_ADDRESSES


async def test_equal_lookups_are_one_and_cancelling_one_spares_the_rest() -> None:
    """Equal look-ups at one time are one; cancelling one caller does not end it for others."""
    async with served({"site.example": [["1.1.1.1"]]}) as (resolver, zone, _):
        calls = [asyncio.ensure_future(resolver("site.example")) for _ in range(40)]
        await asyncio.sleep(0)
        calls[0].cancel()
        found = await asyncio.gather(*calls[1:])
    assert calls[0].cancelled()
    assert set(map(tuple, found)) == {(ip_address("1.1.1.1"),)}
    assert zone.asked["site.example", "A"] == 1


async def test_lookups_are_bounded_and_places_come_back() -> None:
    """Beyond the bound a look-up is refused at once; when look-ups end, others may start.

    The others are of a name that needs no server: c-ares goes on asking for the given up ones, and
    a question among a thousand of them may be lost.
    """
    names: dict[str, list[list[str] | None]] = {
        f"s{n}.example": [None] for n in range(limits.DNS_LOOKUPS)
    }
    async with served(names, timeout_s=0.1) as (resolver, _, _):
        lookups = [asyncio.ensure_future(resolver(name)) for name in names]
        await asyncio.sleep(0)
        with pytest.raises(StreamFailed) as caught:
            await resolver("localhost")
        assert caught.value.failure is Failure.LIMIT
        await asyncio.wait(lookups)
        assert ip_address("127.0.0.1") in await resolver("localhost")
        for lookup in lookups:
            assert isinstance(lookup.exception(), StreamFailed)


async def test_a_flood_of_slow_names_makes_nobody_elses_fail() -> None:
    """Whoever has most look-ups loses its newest, and gets no other one while it has most."""
    flood, honest = b"4abc", b"4xyz"
    slow: dict[str, list[list[str] | None]] = {
        f"s{n}.example": [None] for n in range(limits.DNS_LOOKUPS)
    }
    quick = {f"q{n}.example": [["1.1.1.1"]] for n in range(8)}
    async with served({**slow, **quick}, timeout_s=30) as (resolver, zone, _):
        lookups = [asyncio.ensure_future(resolver(name, flood)) for name in slow]
        await asyncio.sleep(0)
        found = await asyncio.gather(*(resolver(name, honest) for name in quick))
        assert set(found) == {(ip_address("1.1.1.1"),)}
        ended = [each.exception() for each in lookups if each.done()]
        assert len(ended) == len(quick)
        assert {type(error) for error in ended} == {StreamFailed}
        again = [name for name, each in zip(slow, lookups, strict=True) if each.done()]
        for _ in range(2):
            retried = [asyncio.ensure_future(resolver(name, flood)) for name in again]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            again = [name for name, each in zip(again, retried, strict=True) if each.done()]
        assert not again, "there is room again"
        with pytest.raises(StreamFailed) as caught:
            await resolver("another.example", flood)
        assert caught.value.failure is Failure.LIMIT
        assert set(zone.asked) >= {(name, "A") for name in quick}


async def test_a_lookup_that_others_wait_for_does_not_give_way_with_a_floods() -> None:
    """It counts for whoever has fewest."""
    flood, honest, third = b"4abc", b"4xyz", b"4new"
    names = {f"s{n}.example": [None] for n in range(limits.DNS_LOOKUPS - 1)}
    async with served(
        {**names, "slow.example": [["1.1.1.1"]], "q.example": [["1.0.0.1"]]}, slow_s=0.5
    ) as (resolver, _, _):
        tasks = [asyncio.ensure_future(resolver(name, flood)) for name in names]
        tasks.append(asyncio.ensure_future(resolver("slow.example", flood)))
        waiting = asyncio.ensure_future(resolver("slow.example", honest))
        await asyncio.sleep(0)
        assert await resolver("q.example", third) == (ip_address("1.0.0.1"),)
        assert await waiting == (ip_address("1.1.1.1"),)
        assert not tasks[-1].cancelled()
        for each in tasks:
            each.cancel()


async def test_close_ends_lookups_and_may_be_repeated() -> None:
    """Closing ends all look-ups, and may be repeated."""
    async with served({"slow.example": [None]}) as (resolver, _, _):
        call = asyncio.ensure_future(resolver("slow.example"))
        await asyncio.sleep(0)
        await resolver.close()
        await resolver.close()
        await asyncio.wait([call])
        assert call.cancelled()


@pytest.mark.parametrize("slow_s", [0.7, 3.0])
@pytest.mark.parametrize("quick_names", [0, 30])
async def test_a_cold_name_may_take_seconds(slow_s: float, quick_names: int) -> None:
    """A name is waited for whatever the names before it took: the server may have to ask others."""
    names = {"slow.example": [["1.1.1.1"]]}
    names |= {f"quick{number}.example": [["1.1.1.1"]] for number in range(quick_names)}
    async with served(names, slow_s=slow_s) as (resolver, _, _):
        for number in range(quick_names):
            await resolver(f"quick{number}.example")
        assert await resolver("slow.example") == (ip_address("1.1.1.1"),)


async def test_silence_lasts_no_longer_than_a_lookup_may() -> None:
    """The time of a lookup is that of both families together, not of one after the other."""
    names: Names = {"site.example": [None]}
    async with served(names, timeout_s=1.0) as (resolver, _, _):
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(StreamFailed):
            await resolver("site.example")
        assert asyncio.get_running_loop().time() - began_s < 1.8


@pytest.mark.parametrize("name", ["api-.example.com", "-a.example.com", "_a._b.example.com"])
async def test_a_name_that_only_the_web_has(name: str) -> None:
    """Names that browsers look up although RFC 952 forbids them are found."""
    async with served({name: [["192.0.2.1"]]}) as (resolve, _, _):
        assert await resolve(name) == (ip_address("192.0.2.1"),)
