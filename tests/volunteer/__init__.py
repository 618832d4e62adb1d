"""A volunteer without a browser: it does what the relay does, with aiortc and aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from passerelle import limits
from passerelle.io.webrtc.ortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
)
from passerelle.wire import control, signalling
from passerelle.wire.control import Lane, LaneAnswer, LaneRefused
from passerelle.wire.description import (
    DATA_CHANNEL_ID,
    Candidate,
    CandidateKind,
    Description,
    Setup,
)
from passerelle.wire.signalling import BrokerOffer, VolunteerAnswer, VolunteerHello

Alter = Callable[[bytes], bytes | None]
"""A function that may change a link message, or drop it by returning None."""


class Relay:
    """Copies the messages of one link, as an honest volunteer does; subclasses misbehave."""

    to_client: Callable[[bytes], None]
    to_exit: Callable[[bytes], Awaitable[None]]
    leave: Callable[[], None]
    """A function that closes the link at once."""

    async def up(self, message: bytes) -> None:
        """Handle a message from the client."""
        await self.to_exit(message)

    async def down(self, message: bytes) -> None:
        """Handle a message from the exit."""
        self.to_client(message)


class Channel:
    """The browser's half of a DataChannel: ICE-controlled, DTLS client, negotiated channel 0."""

    def __init__(self, certificate: RTCCertificate) -> None:
        self.certificate = certificate
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self.ice._connection.ice_controlling = False
        self.dtls = RTCDtlsTransport(self.ice, [certificate])
        self.dtls._set_role("client")
        self.sctp = RTCSctpTransport(self.dtls)
        parameters = RTCDataChannelParameters(negotiated=True, id=DATA_CHANNEL_ID)
        self.channel = RTCDataChannel(self.sctp, parameters)
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.messages: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", self.messages.put_nowait)

    @classmethod
    async def gather(cls) -> Self:
        made = cls(RTCCertificate.generateCertificate())
        work = asyncio.ensure_future(made.gatherer.gather())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await work  # if gathering is interrupted, aioice leaks sockets
            await made.close()
            raise
        return made

    @property
    def description(self) -> Description:
        parameters = self.gatherer.getLocalParameters()
        text = next(
            fingerprint.value
            for fingerprint in self.certificate.getFingerprints()
            if fingerprint.algorithm == "sha-256"
        )
        return Description(
            ufrag=parameters.usernameFragment or "",
            pwd=parameters.password or "",
            fingerprint=bytes.fromhex(text.replace(":", "")),
            setup=Setup.ACTIVE,
            candidates=tuple(
                Candidate(CandidateKind.HOST, candidate.ip, candidate.port)
                for candidate in self.gatherer.getLocalCandidates()
                if "%" not in candidate.ip
            )[: limits.CANDIDATES],
        )

    async def connect(self, offer: Description) -> None:
        """Connect to the client that made `offer`; return once the channel is open."""
        await self.reach(offer)
        await self.shake_hands(offer)
        # Here 0 means any size, so that the client, not this aiortc, refuses what is too large.
        await self.sctp.start(RTCSctpCapabilities(maxMessageSize=0), 5000)
        if self.channel.readyState != "open":
            await self.opened.wait()

    async def reach(self, offer: Description) -> None:
        """Do ICE with the client that made `offer`, and no more."""
        for index, candidate in enumerate(offer.candidates):
            await self.ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=str(index),
                    ip=candidate.ip,
                    port=candidate.port,
                    priority=1000 - index,
                    protocol="udp",
                    type="host",
                )
            )
        await self.ice.start(RTCIceParameters(usernameFragment=offer.ufrag, password=offer.pwd))

    async def shake_hands(self, offer: Description) -> None:
        """Begin DTLS and come to its end."""
        value = ":".join(f"{byte:02X}" for byte in offer.fingerprint)
        fingerprint = RTCDtlsFingerprint(algorithm="sha-256", value=value)
        await self.dtls.start(RTCDtlsParameters([fingerprint]))

    async def close(self) -> None:
        """Close everything, also if this call is cancelled."""
        try:
            await self.sctp.stop()
            await self.dtls.stop()
            await self.ice.stop()
        finally:
            # aioice closes one socket after the other; interrupted, it forgets those left.
            for protocol in self.gatherer._connection._protocols:
                protocol.transport.close()


class Volunteer:
    """Waits at a broker, and relays for every client that comes."""

    def __init__(
        self,
        broker_url: str,
        exit_urls: dict[str, str],
        *,
        free: int = 4,
        lanes: int = 0,
        up: Alter = bytes,
        down: Alter = bytes,
        relay: Callable[[], Relay] = Relay,
        channel: type[Channel] = Channel,
    ) -> None:
        """`up` and `down` may change messages; `relay` makes a relay for each link, and `channel`
        its half of the connection."""
        self._broker_url = broker_url
        self._exit_urls = exit_urls
        self._free = free
        self._alter = (up, down)
        self._make_relay = relay
        self._make_channel = channel
        self._http: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse
        self._tasks: set[asyncio.Task[None]] = set()
        self.channels: list[Channel] = []
        """The channels of all offers that were answered, lanes included."""
        self.lanes_left = lanes

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(f"{self._broker_url}/v1/volunteer")
        hello = VolunteerHello(signalling.VERSION, "test", self._free)
        await self._socket.send_str(signalling.encode(hello))
        await self._socket.receive_str()  # the welcome
        self._spawn(self._wait())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        await self._http.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.ensure_future(work))

    async def _wait(self) -> None:
        async for message in self._socket:
            offer = signalling.decode_from_broker(message.data)
            if isinstance(offer, BrokerOffer):
                self._spawn(self._relay(offer))

    async def _relay(self, offer: BrokerOffer) -> None:
        async with self._channel() as channel:
            answer = VolunteerAnswer(offer.offer, channel.description)
            await self._socket.send_str(signalling.encode(answer))
            await self._join(channel, offer.exit, offer.ticket, offer.description)

    async def _lane(self, parent: Channel, exit_id: str, lane: Lane) -> None:
        if self.lanes_left == 0:
            parent.channel.send(control.encode(LaneRefused(lane.lane)))
            return
        self.lanes_left -= 1
        async with self._channel() as channel:
            parent.channel.send(control.encode(LaneAnswer(lane.lane, channel.description)))
            await self._join(channel, exit_id, lane.ticket, lane.description)

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        channel = await self._make_channel.gather()
        self.channels.append(channel)
        try:
            yield channel
        finally:
            await channel.close()

    async def _join(self, channel: Channel, exit_id: str, ticket: str, offer: Description) -> None:
        async with self._http.ws_connect(
            self._exit_urls[exit_id],
            protocols=("passerelle.v1", ticket),
            max_msg_size=limits.LINK_MESSAGE_BYTES + 1,
        ) as socket:
            await channel.connect(offer)
            await self._copy(channel, socket, exit_id)

    async def _copy(
        self, channel: Channel, socket: aiohttp.ClientWebSocketResponse, exit_id: str
    ) -> None:
        up, down = self._alter
        left = asyncio.Event()
        relay = self._make_relay()
        relay.to_exit = socket.send_bytes
        relay.leave = left.set

        def to_client(message: bytes) -> None:
            with contextlib.suppress(Exception):  # aiortc raises for a channel that has closed
                channel.channel.send(message)

        relay.to_client = to_client

        async def upward() -> None:
            while True:
                message = await channel.messages.get()
                if isinstance(message, str):
                    said = control.decode(message)
                    if isinstance(said, Lane):
                        self._spawn(self._lane(channel, exit_id, said))
                elif (altered := up(message)) is not None:
                    await relay.up(altered)

        async def downward() -> None:
            async for message in socket:
                if (altered := down(message.data)) is not None:
                    await relay.down(altered)

        parts = [
            asyncio.ensure_future(work)
            for work in (upward(), downward(), channel.closed.wait(), left.wait())
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
