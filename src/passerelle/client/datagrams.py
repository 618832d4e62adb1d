"""SOCKS5 UDP ASSOCIATE at the client: an application's datagrams, each destination on its flow."""

from __future__ import annotations

import asyncio
import collections
import logging
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from passerelle import limits
from passerelle.core.localport import socks5
from passerelle.core.localport.request import Associate
from passerelle.core.localport.udpassociate import Drop, decode, header
from passerelle.errors import Failure, PasserelleError, StreamFailed
from passerelle.io.net import udp
from passerelle.io.tasks import TaskSet, race
from passerelle.io.tunnel.flow import Flow
from passerelle.io.tunnel.stream import TunnelStream

_log = logging.getLogger(__name__)

RETRY_S = 1.0
"""After a destination was refused, or its flow broke, its datagrams are dropped for so long."""
REPLACEABLE_AFTER_S = 5.0
"""With as many destinations as there may be, one unused for so long is replaced by a new one. Most
are done after one question and one answer."""

OpenFlow = Callable[[str, int], Awaitable[TunnelStream]]


class UdpAssociations:
    """All UDP associations of one client."""

    def __init__(
        self, offers_flows: Callable[[], Awaitable[bool]], open_flow: OpenFlow, idle_s: float
    ) -> None:
        """`offers_flows` tells whether the exit carries UDP. Both callables raise StreamFailed.

        A flow ends after its application has sent nothing for `idle_s` seconds.
        """
        self._offers_flows = offers_flows
        self._open_flow = open_flow
        self._idle_s = idle_s
        self._count = 0

    async def serve(
        self, request: Associate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the request and relay datagrams until the application closes its connection.

        Raises StreamFailed when there can be no association: nothing has been answered then.
        Cancelling ends it.
        """
        if self._count >= limits.CLIENT_ASSOCIATIONS:
            raise StreamFailed(Failure.LIMIT)
        self._count += 1
        try:
            if not await self._offers_flows():
                raise StreamFailed(Failure.NO_DATAGRAMS)
            await self._relay(request, reader, writer)
        finally:
            self._count -= 1

    async def _relay(
        self, request: Associate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Bound to the address at which the application reached the proxy: nobody who cannot reach
        # the proxy reaches this socket.
        local, application = (writer.get_extra_info(key)[0] for key in ("sockname", "peername"))
        association = UdpAssociation(
            self._open_flow, udp.bound(local), (application, request.port), self._idle_s
        )
        try:
            address = ip_address(local.partition("%")[0])
            writer.write(socks5.reply(socks5.ReplyCode.SUCCEEDED, address, association.port))
            # RFC 1928 §7: the association lasts as long as the connection that asked for it.
            while await reader.read(limits.SOCKET_READ_BYTES):
                pass
        finally:
            await association.close()


class _Destination:
    """One destination of an application, and the flow to it once there is one."""

    carrying: asyncio.Task[None]
    """Opens the flow and serves it; set as soon as it is started."""

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.waiting: list[bytes] = []
        """Datagrams that wait for a flow."""
        self.waiting_bytes = 0
        self.closed = False
        """Whether it was refused, or its flow broke: datagrams are dropped for a moment."""
        self.used_s = 0.0
        """When the application last sent something there, in the loop's seconds."""

    def send(self, payload: bytes) -> bool:
        """Send a datagram, or keep it until there is a flow; return False when it is dropped."""
        if self.flow is not None:
            self.flow.touch()
            return self.flow.send(payload)
        if self.waiting_bytes + len(payload) > limits.FLOW_WAITING_BYTES:
            return False
        self.waiting_bytes += len(payload)
        self.waiting.append(payload)
        return True

    def use(self, flow: Flow) -> None:
        """Use a flow from now on, and send what waited for it."""
        self.flow = flow
        for payload in self.waiting:
            flow.send(payload)
        self.waiting.clear()


class UdpAssociation:
    """One application's datagrams, at a socket of their own.

    Only the application itself may use it: the address must be the one its connection came from,
    the port the one it named or, if it named none, the first one that sent a proper datagram.
    """

    def __init__(
        self,
        open_flow: OpenFlow,
        bound: socket.socket,
        application: tuple[str, int],
        idle_s: float,
    ) -> None:
        """Take over `bound`, a non-blocking UDP socket; `application`'s port may be 0."""
        self._open_flow = open_flow
        self._socket = bound
        self._application, self._application_port = application
        self._idle_s = idle_s
        self._destinations: dict[tuple[str, int], _Destination] = {}
        """Destinations by host and port; the one unused for longest is the first."""
        self._tasks = TaskSet("client/association")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(bound, self._readable)
        self.dropped: collections.Counter[Drop] = collections.Counter()
        """Datagrams that were dropped, by reason."""

    @property
    def port(self) -> int:
        """The port that takes the application's datagrams."""
        return int(self._socket.getsockname()[1])

    @property
    def flow_count(self) -> int:
        """How many destinations it has."""
        return len(self._destinations)

    async def close(self) -> None:
        """End all flows and close the socket."""
        self._loop.remove_reader(self._socket)
        try:
            await self._tasks.close()
        finally:
            self._socket.close()
        if self.dropped:
            counts = ", ".join(f"{drop.value} {count}" for drop, count in self.dropped.items())
            _log.debug("an association ended; datagrams dropped: %s", counts)

    # --- from the application -------------------------------------------------------------------

    def _readable(self) -> None:
        for datagram, (address, port, *_) in udp.receive_from(self._socket):
            if drop := self._take(datagram, address, port):
                self.dropped[drop] += 1

    def _take(self, datagram: bytes, address: str, port: int) -> Drop | None:
        if address != self._application or self._application_port not in {0, port}:
            return Drop.STRANGER
        packet = decode(datagram)
        if isinstance(packet, Drop):
            return packet
        self._application_port = port
        key = (packet.host, packet.port)
        destination = self._destinations.pop(key, None)
        if destination is None:
            if not self._make_room():
                return Drop.FLOWS
            destination = _Destination()
            destination.carrying = self._tasks.start(self._carry(key, destination), "flow")
        self._destinations[key] = destination
        if destination.closed:
            return Drop.CLOSED
        destination.used_s = self._loop.time()
        return None if destination.send(packet.payload) else Drop.QUEUE

    def _make_room(self) -> bool:
        """Return whether there may be one more destination, replacing an unused one if need be."""
        if len(self._destinations) < limits.ASSOCIATION_FLOWS:
            return True
        key, oldest = next(iter(self._destinations.items()))
        if self._loop.time() - oldest.used_s < REPLACEABLE_AFTER_S:
            return False
        del self._destinations[key]
        oldest.carrying.cancel()
        return True

    # --- one destination ------------------------------------------------------------------------

    async def _carry(self, key: tuple[str, int], destination: _Destination) -> None:
        try:
            flow = Flow(await self._open_flow(*key))
            try:
                destination.use(flow)
                await race(self._hand_down(flow, header(*key)), until=flow.idle(self._idle_s))
            finally:
                flow.abort()
        except PasserelleError:
            # UDP has no way to tell the application why. What it sends in the next moment is
            # dropped, or each datagram would open a flow.
            destination.closed = True
            await asyncio.sleep(RETRY_S)
        finally:
            if self._destinations.get(key) is destination:
                del self._destinations[key]

    async def _hand_down(self, flow: Flow, start: bytes) -> None:
        """Send what a flow brings to the application, with the SOCKS5 header `start` before it."""
        while payloads := await flow.receive():
            for payload in payloads:
                application = (self._application, self._application_port)
                if not udp.send_to(self._socket, start + payload, application):
                    self.dropped[Drop.QUEUE] += 1
