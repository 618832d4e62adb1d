"""The client's end of DataChannels, from an offer to a transport that carries a link.

aiortc's ORTC objects (ICE, DTLS, SCTP) are used one by one instead of its RTCPeerConnection: no SDP
is parsed or made, every step can be timed, and a volunteer's fields reach the stack as checked
values only. The client offers. It is ICE-controlling and the DTLS *server*, so the ClientHello that
a censor sees is the browser's genuine one.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import time
from collections.abc import Callable, Container
from typing import Self

import msgspec

from passerelle import limits
from passerelle.core.address.candidates import vet
from passerelle.core.address.host import HostError, split_authority
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.arrivals import RECEIVE_WINDOW_BYTES
from passerelle.io.webrtc.association import SctpAssociation
from passerelle.io.webrtc.dtls import MediaDtls
from passerelle.io.webrtc.ice import IceGuard
from passerelle.io.webrtc.inbox import Inbox
from passerelle.io.webrtc.ortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCSctpCapabilities,
)
from passerelle.io.webrtc.pathtransport import PathTransport, handshake_limit_s
from passerelle.wire import control
from passerelle.wire.description import (
    DATA_CHANNEL_ID,
    MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Candidate,
    CandidateKind,
    Description,
    Setup,
)
from passerelle.wire.stun import DEFAULT_PORT

# These libraries log addresses and descriptions, some of them as INFO.
for _name in ("aioice", "aiortc"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_SCTP_PORT = 5000
_STUN_S = 2
"""Longest time for a STUN server's answer, in which it is asked three times. Where its port is
blocked, each request for volunteers waits so long."""
_SOCKETS_S = 0.5
"""Time to open a socket for each address, which takes far less."""
_KINDS = {"host": CandidateKind.HOST, "srflx": CandidateKind.REFLEXIVE}


class ChannelOffer:
    """The client's half of a DataChannel, waiting for a volunteer's.

    Make it with `gather`. Then `connect` it with the volunteer's answer, or `close` it. It owns
    ICE, DTLS and SCTP, also after `connect`.
    """

    def __init__(self, stun: tuple[str, ...], *, private: bool, media: bool) -> None:
        self._private = private
        self._certificate = RTCCertificate.generateCertificate()
        # An empty list and not none at all: aiortc then asks a public server of its own choice.
        self._gatherer = RTCIceGatherer(iceServers=[])
        gathering = self._gatherer._connection
        gathering.stun_server = next(filter(None, map(_stun_server, stun)), None)
        # aioice waits for five seconds, and takes another time as an argument here only.
        gathering.get_component_candidates = functools.partial(  # type: ignore[method-assign]
            gathering.get_component_candidates, timeout=_STUN_S
        )
        self.allowance = Allowance(self._break)
        """The processor time that this link may take."""
        self._guard = IceGuard(self._gatherer._connection, self.allowance, private=private)
        self._ice = RTCIceTransport(self._gatherer)
        self._ice._connection.ice_controlling = True  # as RTCPeerConnection does for an offerer
        self._media = media
        self._dtls = MediaDtls(self._ice, [self._certificate], self.allowance)
        self._dtls._set_role("server")
        self._sctp = SctpAssociation(self._dtls, self._break, self.allowance)
        self._dtls.on("statechange", self._watch)
        self._error: LinkLost | None = None
        """Why the path is broken."""
        self._transport: ChannelTransport | None = None
        """What `connect` has returned. It is told when the path breaks."""
        self._channel = RTCDataChannel(
            self._sctp, RTCDataChannelParameters(negotiated=True, id=DATA_CHANNEL_ID)
        )
        self._stage = "new"
        """The step that `connect` is at, for messages of errors."""
        self.steps: list[tuple[str, float]] = []
        """(name, seconds) of each step done so far."""

    @classmethod
    async def gather(
        cls, stun: tuple[str, ...] = (), *, private: bool = False, media: bool = False
    ) -> Self:
        """Return an offer whose candidates are known; with `media` it offers to receive video.

        `private` admits private addresses, the client's and the volunteer's: see
        `core.address.candidates`. `stun` holds at most one server, as `stun:host:port`. Gathering
        takes up to two seconds when the server does not answer. Cancelling closes the sockets.
        """
        offer = cls(stun, private=private, media=media)
        async with TaskSet("gather") as tasks:
            work = tasks.start(offer._gatherer.gather(), "candidates")
            try:
                await asyncio.shield(work)
            except BaseException:
                # aioice, interrupted between two sockets, forgets the first. Once all sockets are
                # open, only the STUN server is waited for, and that may be broken off.
                await asyncio.wait((work,), timeout=_SOCKETS_S)
                await offer.close()
                raise
        offer._guard.watch()
        offer._widen_sockets()
        return offer

    def _widen_sockets(self) -> None:
        """Let the kernel hold a window's packets while this process is busy.

        Packets that do not fit its usual 208 KiB are lost, and SCTP takes seconds to recover.
        """
        for protocol in self._gatherer._connection._protocols:
            udp = protocol.transport.get_extra_info("socket")
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_WINDOW_BYTES)

    @property
    def description(self) -> Description:
        """What the volunteer needs to know. It is not told of the client's own network."""
        parameters = self._gatherer.getLocalParameters()
        candidates = [
            Candidate(_KINDS[candidate.type], candidate.ip, candidate.port)
            for candidate in self._gatherer.getLocalCandidates()
            if candidate.type in _KINDS and "%" not in candidate.ip
        ]
        description = Description(
            ufrag=parameters.usernameFragment or "",
            pwd=parameters.password or "",
            fingerprint=_sha256_fingerprint(self._certificate),
            setup=Setup.ACTPASS,
            candidates=tuple(candidates),
            media=MEDIA_VERSION if self._media else msgspec.UNSET,
        )
        return vet(description, private=self._private)

    async def connect(
        self, answer: Description, *, timeout_s: float, known: Container[str] | None = None
    ) -> ChannelTransport:
        """Connect to the volunteer that answered and return the open channel.

        Candidates that may not be used are left out; `known` is as in
        `core.address.candidates.vet`. Raises LinkLost(TIMEOUT or TRANSPORT). On any failure, and on
        cancelling, the offer is closed. Once ICE is done, `handshake_limit_s` holds as well.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect(vet(answer, private=self._private, known=known))
        except TimeoutError:
            await self.close()
            raise LinkLost(LinkCode.TIMEOUT, f"no path to the volunteer ({self._stage})") from None
        except BaseException:
            await self.close()
            raise
        if self._error is not None:
            await self.close()
            raise self._error
        self._transport = ChannelTransport(
            self, self._channel, media=self._media and answer.media == MEDIA_VERSION
        )
        return self._transport

    def inbox(self, receiver: Receiver, say: Callable[[control.Control], None]) -> Inbox:
        """Return what takes the volunteer's messages on a media link. Call it once.

        `say` sends a control message to the relay.
        """
        return Inbox(self._dtls, self._sctp, receiver, say=say, fail=self._break)

    def _watch(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._break(LinkLost(LinkCode.TRANSPORT, "the volunteer's connection ended"))

    def _break(self, error: LinkLost) -> None:
        self._error = self._error or error
        if self._transport is not None:
            self._transport.path_lost(error)

    async def _connect(self, answer: Description) -> None:
        self._stage = "ice"
        start = time.monotonic()
        for index, candidate in enumerate(answer.candidates):
            await self._ice.addRemoteCandidate(_to_aiortc(index, candidate))
        self._guard.admit(answer)
        # The end of candidates is not signalled: a browser that hides its addresses is found as a
        # peer-reflexive candidate, and `connect` has a timeout of its own.
        await self._ice.start(RTCIceParameters(usernameFragment=answer.ufrag, password=answer.pwd))
        self._require(self._ice.state == "completed")
        ready = self._step("ice", start)
        async with asyncio.timeout(handshake_limit_s(ready - start)):
            await self._secure(answer, ready)

    async def _secure(self, answer: Description, start: float) -> None:
        """Do DTLS and SCTP, from `start` on."""
        fingerprint = ":".join(f"{byte:02X}" for byte in answer.fingerprint)
        await self._dtls.start(
            RTCDtlsParameters([RTCDtlsFingerprint(algorithm="sha-256", value=fingerprint)])
        )
        self._require(self._dtls.state == "connected")
        start = self._step("dtls", start)
        opened = asyncio.Event()
        self._channel.on("open", opened.set)
        await self._sctp.start(
            RTCSctpCapabilities(maxMessageSize=limits.LINK_MESSAGE_BYTES), _SCTP_PORT
        )
        if self._channel.readyState != "open":
            await opened.wait()
        self._step("sctp", start)

    def _step(self, name: str, start: float) -> float:
        now = time.monotonic()
        self.steps.append((name, now - start))
        self._stage = {"ice": "dtls", "dtls": "sctp"}.get(name, "open")
        return now

    def _require(self, reached: bool) -> None:
        if not reached:
            raise LinkLost(LinkCode.TRANSPORT, f"no connection to the volunteer ({self._stage})")

    async def close(self) -> None:
        """Close everything, also if this call is cancelled. Idempotent."""
        self._guard.close()
        try:
            await self._sctp.stop()
            await self._dtls.stop()
        finally:
            try:
                await self._ice.stop()
            finally:
                # aioice closes one socket after the other; interrupted, it forgets those left.
                for protocol in self._gatherer._connection._protocols:
                    protocol.transport.close()


class ChannelTransport(PathTransport):
    """A link transport over an open DataChannel, and on a media link a video beside it."""

    def __init__(self, offer: ChannelOffer, channel: RTCDataChannel, *, media: bool) -> None:
        """`offer` has made this transport and owns everything below `channel`."""
        super().__init__(offer, "datachannel")
        self._offer = offer
        self._media = media
        self._inbox: Inbox | None = None
        """On a media link, from `start` on."""
        self._channel = channel

    def start(self, receiver: Receiver) -> None:
        """Deliver to `receiver` from now on."""
        self._receiver = receiver
        if self._media:
            self._inbox = self._offer.inbox(receiver, self._say)
        self._channel.on("message", self._message)
        self._channel.on("close", self._lost)
        self._started(is_open=self._channel.readyState == "open")

    def send(self, message: bytes) -> None:
        """Queue one binary message."""
        if self._closed or self._channel.readyState != "open":
            return
        if self._channel.bufferedAmount > limits.TRANSPORT_QUEUE_BYTES:
            self._end(LinkLost(LinkCode.LIMIT, "the volunteer does not take what is queued"))
            return
        self._offer.allowance.earn(len(message))
        self._channel.send(message)

    def windows(self, rtt_s: float) -> Windows | None:
        """See `Transport.windows`. Without video, nothing is known of the browser's SCTP."""
        return None if self._inbox is None else self._inbox.windows(rtt_s)

    def send_control(self, text: str) -> None:
        """Queue one text message."""
        if not self._closed and self._channel.readyState == "open":
            self._channel.send(text)

    def _say(self, message: control.Control) -> None:
        self.send_control(control.encode(message))

    def _message(self, message: bytes | str) -> None:
        if self._receiver is None or self._closed:
            return
        if isinstance(message, str):
            self._receiver.control_received(message)
        elif len(message) > limits.LINK_MESSAGE_BYTES + (
            MESSAGE_NUMBER_BYTES if self._inbox else 0
        ):
            self._end(LinkLost(LinkCode.LIMIT, "a message longer than links carry"))
        elif self._inbox is not None:
            self._inbox.take(message)
        else:
            self._receiver.message_received(message)

    def _fall_silent(self) -> None:
        if self._inbox is not None:
            self._inbox.close()

    async def _flush(self, error: LinkLost | None) -> None:
        # One turn of the loop lets aiortc hand the last messages to SCTP.
        await asyncio.sleep(0)


def _stun_server(url: str) -> tuple[str, int] | None:
    """Return host and port of `stun:host:port`, or None for what `aioice` cannot ask.

    It asks over IPv4 only, and whoever has an IPv6 address of their own needs no server to learn
    it. A URL that cannot be read is the operator's mistake; the others still serve.
    """
    try:
        host, port = split_authority(url.removeprefix("stun:"), DEFAULT_PORT)
    except HostError:
        return None
    return None if ":" in host else (host, port)


def _sha256_fingerprint(certificate: RTCCertificate) -> bytes:
    value = next(
        fingerprint.value
        for fingerprint in certificate.getFingerprints()
        if fingerprint.algorithm == "sha-256"
    )
    return bytes.fromhex(value.replace(":", ""))


def _to_aiortc(index: int, candidate: Candidate) -> RTCIceCandidate:
    return RTCIceCandidate(
        component=1,
        foundation=str(index + 1),
        ip=candidate.ip,
        port=candidate.port,
        priority=candidate.priority(index),
        protocol="udp",
        type=candidate.kind.value,
    )
