"""A client learns what NAT it is behind, and says so to the broker."""

from __future__ import annotations

import asyncio

import pytest

from passerelle.client import nat_probe as nat_probe
from passerelle.client.nat_probe import NatProbe
from passerelle.client.notices import NatFound
from passerelle.io.net.stun import StunService, StunSettings
from passerelle.wire.signalling import NatClass
from tests.network import Watch
from tests.rig.ports import free_udp_ports

MANY = tuple(f"stun:{name}.example:3478" for name in "abcdef")


def pair(made: NatProbe) -> set[str]:
    return {url for number in range(4) for url in made.server(number)}


def test_offers_take_turns_with_a_random_pair() -> None:
    """Neighbouring offers use different servers; every server is used by somebody."""
    pairs = [pair(NatProbe(lambda: MANY, Watch())) for _ in range(200)]
    assert {len(each) for each in pairs} == {2}
    assert set().union(*pairs) == set(MANY)
    made = NatProbe(lambda: MANY, Watch())
    assert made.server(0) == made.server(2) != made.server(1) == made.server(3)


def test_one_server_or_none_will_do() -> None:
    """A network with one STUN server, or none, does with what it has."""
    assert pair(NatProbe(lambda: MANY[:1], Watch())) == {MANY[0]}
    assert pair(NatProbe(tuple, Watch())) == set()


async def test_after_a_failed_link_the_other_server_comes_first() -> None:
    """A single offer must not ask a blocked server again and again."""
    made = NatProbe(lambda: MANY[:2], Watch())
    made.probe()
    first = made.server(0)
    made.probe()
    assert made.server(0) != first == made.server(1)
    await made.close()


async def test_the_class_is_found_and_told() -> None:
    """On loopback there is no NAT. A second probe just afterwards is not made."""
    ports = free_udp_ports(2)
    watch = Watch()
    async with StunService(StunSettings(("127.0.0.1", "127.0.0.2"), ports)):
        made = NatProbe(lambda: (f"stun:127.0.0.1:{ports[0]}",), watch)
        made.probe()
        made.probe()
        assert await watch.until(NatFound) == NatFound(NatClass.OPEN)
        made.probe()
        await made.close()
    assert made.nat is NatClass.OPEN
    assert watch.count(NatFound) == 1


async def test_a_later_probe_sees_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that answer no more mean another network, as when a phone joins one without UDP."""
    monkeypatch.setattr(nat_probe, "FRESH_S", 0.0)
    ports = free_udp_ports(2)
    watch = Watch()
    made = NatProbe(lambda: (f"stun:127.0.0.1:{ports[0]}",), watch)
    async with StunService(StunSettings(("127.0.0.1", "127.0.0.2"), ports)):
        made.probe()
        await watch.until(NatFound)
    await asyncio.sleep(0)  # the first probe is over only once it has told
    made.probe()
    assert await watch.until(NatFound, 2) == NatFound(NatClass.BLOCKED)
    await made.close()
