"""STUN over UDP: the server's sockets, and asking servers for the class of our NAT."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from passerelle import serverlimits
from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.forwarded import plain_address
from passerelle.core.address.host import HostError, IPAddress, split_authority
from passerelle.core.nat.classifier import (
    DatagramReceived,
    Done,
    Event,
    NatClass,
    NatClassifier,
    Tick,
)
from passerelle.core.nat.stun_server import SocketIndex, StunServer
from passerelle.io.listening import cannot_listen
from passerelle.wire.stun import DEFAULT_PORT, TRANSACTION_BYTES, Endpoint

_INBOX_DATAGRAMS: Final = 32
"""How many received datagrams wait to be read. Few suffice: there is one question at a time."""
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StunSettings:
    """Where a STUN server listens: at each of `ports` on each of `hosts`."""

    hosts: tuple[str, ...]
    """One or two IP literals; an empty text means every address of this machine."""
    ports: tuple[int, ...]
    """One or two ports."""
    public: tuple[IPAddress, ...] = ()
    """The addresses under which others reach `hosts`, in the same order, where they differ."""


class StunService:
    """A STUN server (RFC 8489, RFC 5780) that runs during an `async with`. It logs no address."""

    def __init__(self, settings: StunSettings) -> None:
        self._listening = {
            SocketIndex(row, column): (host, port)
            for row, host in enumerate(settings.hosts)
            for column, port in enumerate(settings.ports)
        }
        endpoints: dict[SocketIndex, Endpoint | None] = {}
        for index, (host, port) in self._listening.items():
            public = settings.public[index.address : index.address + 1]
            address = public[0] if public else _specific(host)
            endpoints[index] = Endpoint(address, port) if address is not None else None
        self._server = StunServer(endpoints)
        self._sockets: dict[SocketIndex, socket.socket] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the sockets and answer. Raises LocalError when a port cannot be opened."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            for index, (host, port) in self._listening.items():
                try:
                    bound = await _bind(host or "::", port)
                except OSError as error:
                    raise cannot_listen(host, port, error) from error
                stack.callback(bound.close)
                self._sockets[index] = bound
            for index, bound in self._sockets.items():
                loop.add_reader(bound, self._serve, index)
                stack.callback(loop.remove_reader, bound)
            self._stack = stack.pop_all()
        _log.info("STUN server starts on %d sockets", len(self._sockets))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        self._sockets.clear()
        _log.info("STUN server stops")

    def _serve(self, index: SocketIndex) -> None:
        """Answer what a socket has received.

        An answer that the kernel has no room for is dropped, as the network does with datagrams; a
        transport of asyncio would keep it, and any number more.
        """
        receiver, now = self._sockets[index], asyncio.get_running_loop().time()
        with contextlib.suppress(OSError):  # nothing more to read, or an ICMP error of an answer
            for _ in range(serverlimits.STUN_BATCH):
                datagram, sender = receiver.recvfrom(serverlimits.STUN_BYTES + 1)
                answer = self._server.answer(index, datagram, _endpoint(sender), now)
                if answer is not None:
                    with contextlib.suppress(OSError):
                        self._sockets[answer[0]].sendto(answer[1], sender)


async def _bind(host: str, port: int) -> socket.socket:
    """Return a UDP socket bound to `host` and `port`. Raises OSError."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, where = infos[0]
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind(where)
    except OSError:
        bound.close()
        raise
    return bound


async def find_class(urls: Sequence[str]) -> NatClass:
    """Ask STUN servers for the class of our NAT. `urls` look like `stun:host:port`; two suffice.

    It takes three round trips, or up to five seconds when no server answers. It never fails: a
    class that cannot be found out is UNKNOWN. Cancelling closes the socket.
    """
    found = [place for url in urls if (place := await _resolve(url)) is not None]
    if not found:
        return NatClass.UNKNOWN
    family = found[0][0]
    servers = [endpoint for each, endpoint in found if each == family]
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[Event] = asyncio.Queue(_INBOX_DATAGRAMS)

    def receive(datagram: bytes, sender: Any) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            inbox.put_nowait(DatagramReceived(datagram, _endpoint(sender)))

    try:
        address = _own_address(family, servers[0])
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(receive), local_addr=(_ANY[family], 0)
        )
    except OSError:
        return NatClass.UNKNOWN  # the machine has no route to the server, which no NAT causes
    try:
        local = Endpoint(address, transport.get_extra_info("sockname")[1])
        machine = NatClassifier(servers, local, lambda: secrets.token_bytes(TRANSACTION_BYTES))
        return await _run(machine, transport, inbox)
    finally:
        transport.close()


async def _run(
    machine: NatClassifier, transport: asyncio.DatagramTransport, inbox: asyncio.Queue[Event]
) -> NatClass:
    loop = asyncio.get_running_loop()
    event: Event = Tick()
    while True:
        for effect in machine.handle(event, loop.time()):
            if isinstance(effect, Done):
                return effect.nat
            transport.sendto(effect.datagram, (str(effect.target.address), effect.target.port))
        try:
            async with asyncio.timeout_at(machine.deadline()):
                event = await inbox.get()
        except TimeoutError:
            event = Tick()


async def _resolve(url: str) -> tuple[socket.AddressFamily, Endpoint] | None:
    """Return a server's address, IPv4 if it has one; None if the URL or the name leads nowhere."""
    try:
        host, port = split_authority(url.removeprefix("stun:"), DEFAULT_PORT)
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (HostError, OSError):
        return None
    family, _, _, _, where = min(infos, key=lambda info: info[0] != socket.AF_INET)
    return family, _endpoint(where)


def _own_address(family: socket.AddressFamily, server: Endpoint) -> IPAddress:
    """Return the source address of packets to `server`, without sending any. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((str(server.address), server.port))
        return _endpoint(probe.getsockname()).address


def _specific(host: str) -> IPAddress | None:
    """Return the address that `host` names, or None for a name or for "every address".

    Nobody can send to an unspecified address, so no answer may contain it.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if classify(address) is AddressClass.UNSPECIFIED else address


def _endpoint(where: Any) -> Endpoint:
    """Return the endpoint of a socket address, without the zone of a link-local one."""
    text, port = where[:2]
    if ":" not in text:
        return Endpoint(ipaddress.IPv4Address(socket.inet_aton(text)), port)  # parses far faster
    address = plain_address(text.partition("%")[0])
    assert address is not None  # the kernel returns only valid addresses
    return Endpoint(address, port)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Any], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data, addr)
