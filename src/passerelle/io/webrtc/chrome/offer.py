"""The client's end of a link in Chrome's engine, from an offer to an open transport.

The engine speaks SDP. What it says is read into a `Description`, and a volunteer's description
reaches it as text of our own template only (`wire.sdp`). The client offers, and its DTLS is the
server, as with `io.webrtc.channel`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Container
from typing import Any, ClassVar, Self

import msgspec

from passerelle import limits
from passerelle.core.address.candidates import vet
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.media import MediaExchange
from passerelle.io.webrtc.pathtransport import PathTransport, handshake_limit_s
from passerelle.wire import control
from passerelle.wire.description import (
    CALL_MEDIA_VERSION,
    CHROME_MEDIA_VERSION,
    DATA_CHANNEL_ID,
    MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Description,
    Setup,
)
from passerelle.wire.sdp import from_own_sdp, renumber, to_sdp

GATHER_S = 2.0
"""Longest time for a STUN server's answer, in which the engine asks four times. What is known by
then is offered: where the server's port is blocked, each request for volunteers waits so long."""
CLOSE_S = 2.0
"""Longest time for what is queued at `close`."""


class ChromeOffer:
    """The client's half of a connection, waiting for a volunteer's.

    Make it with `gather`. Then `connect` it with the volunteer's answer, or `close` it. It owns
    the PeerConnection, also after `connect`.
    """

    exchange: ClassVar[type[MediaExchange]] = MediaExchange
    """What carries messages in the frames of its video."""
    version: ClassVar[int] = CHROME_MEDIA_VERSION
    """The format of those frames."""

    def __init__(self, stun: tuple[str, ...], *, private: bool, media: bool) -> None:
        webrtc = load(is_call=self.version == CALL_MEDIA_VERSION)
        self._private = private
        try:
            self._connection = _connection(stun)
        except webrtc.RTCException:
            # A URL that cannot be read is the operator's mistake, and must not end every offer.
            self._connection = _connection(())
        self._media = self.exchange(self._connection) if media else None
        self._channel = self._connection.create_data_channel(
            "", webrtc.RTCDataChannelInit(negotiated=True, id=DATA_CHANNEL_ID)
        )
        self._reached = asyncio.Event()
        """Set once ICE is done, or nothing more will come."""
        self._settled = asyncio.Event()
        """Set once the channel is open, or never will be."""
        self._has_failed = False
        self._channel.on("open", lambda _event: self._settle())
        self._connection.on("iceconnectionstatechange", lambda _event: self._watch_ice())
        self._connection.on("connectionstatechange", lambda _event: self._watch())
        self._transport: ChromeTransport | None = None
        self._description: Description | None = None
        self.steps: list[tuple[str, float]] = []
        """(name, seconds) of each step done so far."""

    @classmethod
    async def gather(
        cls, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> Self:
        """Return an offer whose candidates are known; with `media` it offers a video both ways.

        `stun` holds at most one server, as `stun:host:port`. Gathering takes up to two seconds
        when it does not answer. Raises NoEngine. Cancelling closes the sockets.
        """
        offer = cls(stun, private=private, media=media)
        try:
            await offer._gather()
        except BaseException:
            await offer.close()
            raise
        return offer

    async def _gather(self) -> None:
        made = await self._connection.create_offer()
        await self._describe("offer", renumber(made.sdp))

    async def _describe(self, kind: str, sdp: str) -> None:
        """Let `sdp` be the engine's own description, and read it with this machine's candidates."""
        connection = self._connection
        gathered = asyncio.Event()

        def look(_event: object = None) -> None:
            if connection.ice_gathering_state == "complete":
                gathered.set()

        connection.on("icegatheringstatechange", look)
        await connection.set_local_description(load().RTCSessionDescriptionInit(type=kind, sdp=sdp))
        look()
        try:
            async with asyncio.timeout(GATHER_S):
                await gathered.wait()
        except TimeoutError:
            pass  # a STUN server that is silent; the addresses of this machine are known
        self._description = vet(
            from_own_sdp(connection.local_description.sdp), private=self._private
        )

    @property
    def description(self) -> Description:
        """What the volunteer needs to know. It is not told of the client's own network."""
        assert self._description is not None  # `gather` has set it
        return self._description

    async def connect(
        self, answer: Description, *, timeout_s: float, known: Container[str] | None = None
    ) -> ChromeTransport:
        """Connect to the volunteer that answered and return the open transport.

        Candidates that may not be used are left out; `known` is as in
        `core.address.candidates.vet`. Raises LinkLost(TIMEOUT or TRANSPORT). On any failure, and on
        cancelling, the offer is closed. Once ICE is done, `handshake_limit_s` holds as well.
        """
        start = time.monotonic()
        if reason := self._refusal(answer):
            await self.close()
            raise LinkLost(LinkCode.VERSION, reason)
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect(vet(answer, private=self._private, known=known))
        except TimeoutError:
            await self.close()
            raise LinkLost(LinkCode.TIMEOUT, "no path to the volunteer") from None
        except BaseException:
            await self.close()
            raise
        self.steps.append(("webrtc", time.monotonic() - start))
        media = self._media if answer.media == self.version else None
        self._transport = ChromeTransport(self, self._channel, media)
        return self._transport

    def _refusal(self, answer: Description) -> str:
        """Return why an answer cannot be used; an empty text where it can."""
        if self._media is not None and answer.media == MEDIA_VERSION:
            return "the volunteer's page sends an older kind of video"
        return ""

    async def _connect(self, answer: Description) -> None:
        webrtc = load()
        if answer.setup is not Setup.ACTIVE:
            # Else the ClientHello that the path sees would be this end's.
            raise LinkLost(LinkCode.TRANSPORT, "the volunteer is no DTLS client")
        if self._media is None:
            answer = msgspec.structs.replace(answer, media=msgspec.UNSET)
        start = time.monotonic()
        text = to_sdp(answer, refuse_media=self._media is not None and not answer.has_media)
        try:
            await self._connection.set_remote_description(
                webrtc.RTCSessionDescriptionInit(type="answer", sdp=text)
            )
        except webrtc.RTCException as error:
            raise LinkLost(LinkCode.TRANSPORT, "the engine refused the answer") from error
        await self._reached.wait()
        async with asyncio.timeout(handshake_limit_s(time.monotonic() - start)):
            await self._settled.wait()
        if self._has_failed:
            raise LinkLost(LinkCode.TRANSPORT, "no connection to the volunteer")

    def _settle(self) -> None:
        self._reached.set()
        self._settled.set()

    def _watch_ice(self) -> None:
        if self._connection.ice_connection_state in ("connected", "completed"):
            self._reached.set()

    def _watch(self) -> None:
        if self._connection.connection_state in ("failed", "closed"):
            self._has_failed = True
            self._settle()
            if self._transport is not None:
                self._transport.path_lost(
                    LinkLost(LinkCode.TRANSPORT, "the volunteer's connection ended")
                )

    async def close(self) -> None:
        """Close everything. Idempotent."""
        if self._media is not None:
            self._media.close()
        self._connection.close()


def _connection(stun: tuple[str, ...]) -> Any:
    webrtc = load()
    servers = [webrtc.RTCIceServer(urls=list(stun))] if stun else []
    return webrtc.RTCPeerConnection(
        webrtc.RTCConfiguration(bundle_policy="max-bundle", ice_servers=servers)
    )


class ChromeTransport(PathTransport):
    """A link transport over a DataChannel, and on a media link a video both ways beside it."""

    def __init__(self, offer: ChromeOffer, channel: Any, media: MediaExchange | None) -> None:
        """`offer` has made this transport and owns everything below it."""
        super().__init__(offer, "chrome")
        self._channel = channel
        self._is_closed = load().InvalidStateError
        self._media = media
        self._allowance = Allowance(self._end)

    def start(self, receiver: Receiver) -> None:
        """Deliver to `receiver` from now on."""
        self._receiver = receiver
        self._channel.on("message", self._message)
        self._channel.on("close", self._lost)
        if self._media is not None:
            self._media.start(self, self._allowance)
        self._started(is_open=self._channel.ready_state == "open")

    def send(self, message: bytes) -> None:
        """Queue one binary message."""
        if self._closed:
            return
        if self._media is not None:
            self._media.send(message)
        else:
            self._send(message)
        if self.queued_bytes > limits.TRANSPORT_QUEUE_BYTES:
            self._end(LinkLost(LinkCode.LIMIT, "the volunteer does not take what is queued"))

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent."""
        waiting: int = self._channel.buffered_amount
        return waiting + (self._media.queued_bytes if self._media else 0)

    @property
    def is_done(self) -> bool:
        """Whether nothing waits, and on a media link the other end has every message."""
        return self.queued_bytes == 0 and (self._media is None or self._media.is_done)

    def windows(self, rtt_s: float) -> Windows | None:
        """See `Transport.windows`. Without video, nothing is known of the engine's SCTP."""
        return None if self._media is None else self._media.windows(rtt_s)

    def send_control(self, text: str) -> None:
        """Queue one text message."""
        if not self._closed:
            self._send(text)

    # --- MediaOwner -----------------------------------------------------------------------------

    def media_messages(self, messages: list[bytes]) -> None:
        """Hand messages to the receiver."""
        assert self._receiver is not None  # `start` has set it
        self._allowance.earn(sum(map(len, messages)))
        for message in messages:
            if not self._closed:
                self._receiver.message_received(message)

    def media_say(self, message: control.Control) -> None:
        """Tell the relay what of its messages is here, or missing."""
        self.send_control(control.encode(message))

    def media_send(self, message: bytes) -> None:
        """Send a numbered message over the DataChannel."""
        self._send(message)

    def media_window(self) -> None:
        """Have the session look at the windows."""
        if self._receiver is not None and not self._closed:
            self._receiver.windows_changed()

    def media_failed(self, error: LinkLost) -> None:
        """End the link, whose volunteer sent what it must not."""
        self._end(error)

    # --- the channel ----------------------------------------------------------------------------

    def _send(self, data: bytes | str) -> None:
        # Asking for the state first would wait for the engine's network thread once more.
        with contextlib.suppress(self._is_closed):
            self._channel.send(data)

    def _message(self, event: Any) -> None:
        start_s = self._allowance.start()
        self._take(event.data)
        self._allowance.charge(start_s)

    def _take(self, data: bytes | str) -> None:
        if self._receiver is None or self._closed:
            return
        if isinstance(data, str):
            self._heard(data)
        elif len(data) > limits.LINK_MESSAGE_BYTES + (MESSAGE_NUMBER_BYTES if self._media else 0):
            self._end(LinkLost(LinkCode.LIMIT, "a message longer than links carry"))
        elif self._media is not None:
            self._media.channel_message(bytes(data))
        else:
            self._allowance.earn(len(data))
            self._receiver.message_received(bytes(data))

    def _heard(self, text: str) -> None:
        assert self._receiver is not None  # the caller has looked
        if self._media is not None:
            try:
                message = control.decode(text)
                if isinstance(message, control.Got):
                    return self._media.acknowledged(message)
                if isinstance(message, control.Resend):
                    return self._media.missed(message)
            except PeerError as error:
                return self._end(LinkLost(error.code, error.reason))
        return self._receiver.control_received(text)

    async def _flush(self, error: LinkLost | None) -> None:
        if error is not None or not self._channel.buffered_amount:
            return
        sent = asyncio.Event()
        self._channel.on("bufferedamountlow", lambda _event: sent.set())
        self._channel.on("close", lambda _event: sent.set())
        with contextlib.suppress(TimeoutError):  # the volunteer takes nothing more
            async with asyncio.timeout(CLOSE_S):
                await sent.wait()
