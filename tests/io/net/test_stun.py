from __future__ import annotations

import asyncio
import socket

import pytest

from passerelle.errors import LocalError
from passerelle.io.net.stun import StunService, StunSettings, find_class
from passerelle.wire import stun
from passerelle.wire.signalling import NatClass
from passerelle.wire.stun import BindingRequest, BindingResponse
from tests.rig.ports import free_udp_ports


async def test_no_nat_and_two_addresses_is_open() -> None:
    """Without a NAT, an answer from the server's other address gets in, so the class is OPEN."""
    ports = free_udp_ports(2)
    async with StunService(StunSettings(("127.0.0.1", "127.0.0.2"), ports)):
        assert await find_class([f"stun:127.0.0.1:{ports[0]}"]) is NatClass.OPEN


@pytest.mark.parametrize(("hosts", "url"), [(("127.0.0.1",), "127.0.0.1"), (("::1",), "[::1]")])
async def test_no_nat_and_one_address_is_cautious(hosts: tuple[str, ...], url: str) -> None:
    """With one address of the server the filter stays unknown; the worse class is assumed."""
    ports = free_udp_ports(2)
    async with StunService(StunSettings(hosts, ports)):
        urls = [f"stun:{url}:{port}" for port in ports]
        assert await find_class(urls) is NatClass.RESTRICTED


async def test_every_address_answers_peers_of_both_families() -> None:
    """A socket for both families tells an IPv4 peer its IPv4 address, and names no other socket."""
    ports = free_udp_ports(2)
    async with StunService(StunSettings(("",), ports)):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            peer.connect(("127.0.0.1", ports[0]))
            await loop.sock_sendall(peer, stun.encode(BindingRequest(b"t" * 12)))
            async with asyncio.timeout(5):
                answer = stun.decode(await loop.sock_recv(peer, 2000))
            assert isinstance(answer, BindingResponse)
            assert (str(answer.mapped.address), answer.mapped.port) == peer.getsockname()
            assert answer.other is None


async def test_silence_is_a_blocked_network() -> None:
    """If two servers never answer, the network is blocked."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        urls = [f"stun:127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
        assert await find_class(urls) is NatClass.BLOCKED


@pytest.mark.parametrize(
    "urls", [[], ["stun:nothing.invalid.:3478"], ["stun:"], ["stun:a b:1"], ["stun:[::1"]]
)
async def test_nothing_to_ask_is_unknown(urls: list[str]) -> None:
    """Without a usable URL the class is unknown, and nothing is raised."""
    assert await find_class(urls) is NatClass.UNKNOWN


async def test_a_taken_port_closes_what_was_open() -> None:
    """A taken port raises an error that names it, and the other sockets are closed again."""
    ports = free_udp_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", ports[1]))
        with pytest.raises(LocalError, match=str(ports[1])):
            async with StunService(StunSettings(("127.0.0.1",), ports)):
                pass
    async with StunService(StunSettings(("127.0.0.1",), ports)):
        pass
