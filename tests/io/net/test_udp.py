from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import pytest

from passerelle import limits
from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy, DestinationRefused
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net import udp

OPEN = ConnectionPolicy(
    allow=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")), udp_ports=None
)
HOST = "127.0.0.1"
CLOSED = "255.255.255.255"
"""An address that no socket may connect to unless it has asked the kernel for broadcasts."""


def listening(host: str = HOST) -> socket.socket:
    made = udp.bound(host)
    made.setblocking(True)
    made.settimeout(5)
    return made


async def dial(*addresses: str, port: int, timeout_s: float = 5) -> socket.socket:
    """Connect to a name that resolves to these addresses."""

    async def resolve(_name: str) -> Sequence[IPAddress]:
        if not addresses:
            await asyncio.Event().wait()
        return [ipaddress.ip_address(address) for address in addresses]

    return await udp.dial_udp(
        "name.example", port, policy=OPEN, resolve=resolve, timeout_s=timeout_s
    )


@pytest.mark.parametrize("host", [HOST, "::1"])
async def test_a_connected_socket_speaks_to_its_peer(host: str) -> None:
    """A connected socket exchanges datagrams with its peer; connecting sends nothing."""
    with listening(host) as site, await dial(host, port=site.getsockname()[1]) as connected:
        assert udp.send(connected, b"hello")
        payload, visitor = site.recvfrom(100)
        assert payload == b"hello"
        site.sendto(b"answer", visitor)
        assert udp.receive(connected) == [b"answer"]
        assert udp.receive(connected) == []


@pytest.mark.parametrize(
    ("host", "option"), [(HOST, (socket.IPPROTO_IP, 10)), ("::1", (socket.IPPROTO_IPV6, 23))]
)
async def test_datagrams_are_not_fragmented(host: str, option: tuple[int, int]) -> None:
    """The socket sets "don't fragment" (IP_PMTUDISC_PROBE); the kernel does not fragment either."""
    with listening(host) as site, await dial(host, port=site.getsockname()[1]) as connected:
        assert connected.getsockopt(*option) == 3


async def test_an_address_without_a_way_is_passed_over() -> None:
    """An address without a route is passed over; if it is the last, the failure is UNREACHABLE."""
    with listening() as site, await dial(CLOSED, HOST, port=site.getsockname()[1]) as connected:
        assert udp.send(connected, b"hello")
        assert site.recv(100) == b"hello"
    with pytest.raises(StreamFailed) as caught:
        await dial(CLOSED, port=53)
    assert caught.value.failure is Failure.UNREACHABLE


async def test_a_slow_look_up_is_given_up() -> None:
    with pytest.raises(StreamFailed) as caught:
        await dial(port=53, timeout_s=0.01)
    assert caught.value.failure is Failure.TIMEOUT


async def test_a_denied_port_costs_no_look_up() -> None:
    """A port that the policy closes for datagrams is refused before the name is resolved."""

    async def resolve(_name: str) -> Sequence[IPAddress]:
        raise AssertionError

    with pytest.raises(DestinationRefused):
        await udp.dial_udp("name.example", 80, policy=ConnectionPolicy(), resolve=resolve)


async def test_what_is_too_long_is_lost_and_nothing_else() -> None:
    """A datagram that is too long is lost (EMSGSIZE), and the socket stays usable."""
    with listening() as site, await dial(HOST, port=site.getsockname()[1]) as connected:
        assert not udp.send(connected, bytes(limits.DATAGRAM_BYTES))
        assert udp.send(connected, b"short")
        assert site.recv(100) == b"short"


async def test_a_peer_that_is_not_there_is_an_error() -> None:
    """If nothing listens at the peer's port, the ICMP answer makes the next call raise."""
    with listening() as site:
        port = site.getsockname()[1]
    with await dial(HOST, port=port) as connected:
        udp.send(connected, b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            udp.receive(connected)
        udp.send(connected, b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            udp.send(connected, b"still?")


async def test_a_batch_is_bounded() -> None:
    """One read takes a bounded number of datagrams, so a busy socket does not starve others."""
    with listening() as site, udp.bound(HOST) as sender:
        site.setblocking(False)
        for number in range(limits.FLOW_BATCH + 3):
            assert udp.send_to(sender, bytes([number]), site.getsockname())
        first = udp.receive_from(site)
        assert [payload[0] for payload, _ in first] == list(range(limits.FLOW_BATCH))
        assert {address for _, address in first} == {sender.getsockname()}
        assert len(udp.receive_from(site)) == 3


async def test_what_cannot_be_sent_to_an_application_is_lost() -> None:
    """A datagram without a route, or one too long, gives False, and the socket stays usable."""
    with listening() as site, udp.bound(HOST) as sender:
        assert not udp.send_to(sender, b"x", (CLOSED, 53))
        assert not udp.send_to(sender, bytes(limits.DATAGRAM_BYTES), site.getsockname())
        assert udp.send_to(sender, b"x", site.getsockname())


async def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(StreamFailed) as caught:
        udp.bound("192.0.2.1")
    assert caught.value.failure is Failure.LIMIT
