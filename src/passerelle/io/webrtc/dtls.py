"""DTLS whose SRTP packets are judged by their clear headers before anything keeps state for them.

libsrtp keeps a state for each source (SSRC) that it has unprotected a packet of, and looks them up
one by one. So at most one source of video and one of repairs pass, and the sender reports of the
video. Nothing passes on a link without media, nor before the link takes its video.

What is used of aiortc's insides: `_handle_rtp_data` and `_handle_rtcp_data` are given what SRTP has
decrypted and authenticated, and are overridden. aiortc's own router would keep a table entry for
every SSRC that a peer invents. `_recv` of the ICE transport gives the next packet to DTLS, which
asks for another once it has handled that one; it is wrapped.
"""

from __future__ import annotations

from typing import Protocol

from passerelle.core.media import rtp
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.ortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport

_FIRST_RTP = 128
"""First byte from which on a packet is RTP or RTCP (RFC 7983 §7)."""
_RTP_BYTES = 12
_RTCP_KINDS = range(192, 224)
"""Second byte of RTCP packets (RFC 5761 §4)."""
_PAYLOAD_TYPES = (rtp.VIDEO_PAYLOAD_TYPE, rtp.REPAIR_PAYLOAD_TYPE)


class PacketReceiver(Protocol):
    """Takes what SRTP has decrypted and authenticated."""

    def packet_received(self, data: bytes) -> None:
        """Take one RTP packet."""

    def report_received(self, data: bytes) -> None:
        """Take one packet of RTCP reports."""


class MediaDtls(RTCDtlsTransport):
    """A DTLS transport whose RTP and RTCP go to one `PacketReceiver`.

    Packets that come before `deliver_to` are dropped. The work that each packet makes, up to the
    application, is charged to the link's allowance. Once that is spent, DTLS ends.
    """

    def __init__(
        self, ice: RTCIceTransport, certificates: list[RTCCertificate], allowance: Allowance
    ) -> None:
        super().__init__(ice, certificates)
        self.allowance = allowance
        self._packet_receiver: PacketReceiver | None = None
        self._sources: dict[int, bytes] = {}
        """By payload type the SSRC that authenticated packets came from first."""
        self._next_packet = ice._recv
        self._work_start_s: float | None = None
        """When the work on the packet at hand began."""
        ice._recv = self._receive

    def deliver_to(self, receiver: PacketReceiver) -> None:
        """Hand packets to `receiver` from now on.

        The receiver cannot be an argument of the constructor: it exists only once the volunteer has
        agreed to send video, and it needs this transport for its reports.
        """
        self._packet_receiver = receiver

    async def _receive(self) -> bytes:
        """Return the next packet that DTLS or SRTP may handle.

        Raises ConnectionError when the link has ended, or has spent its allowance.
        """
        if self._work_start_s is not None:
            self.allowance.charge(self._work_start_s)
            self._work_start_s = None
        while True:
            data = await self._next_packet()
            if self.allowance.spent:
                raise ConnectionError("the volunteer makes too much work")
            if data[0] < _FIRST_RTP or self._admits(data):
                break
        self._work_start_s = self.allowance.start()
        return data

    def _admits(self, data: bytes) -> bool:
        """Tell from the clear header whether an SRTP or SRTCP packet may be of the link's video."""
        if self._packet_receiver is None or len(data) < _RTP_BYTES:
            return False
        if data[1] in _RTCP_KINDS:
            video = self._sources.get(rtp.VIDEO_PAYLOAD_TYPE)
            return data[1] == rtp.SENDER_REPORT and data[4:8] == video
        payload_type, ssrc = data[1] & 0x7F, data[8:12]
        return payload_type in _PAYLOAD_TYPES and self._sources.get(payload_type, ssrc) == ssrc

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._sources.setdefault(data[1] & 0x7F, data[8:12])
        if self._packet_receiver is not None:
            self._packet_receiver.packet_received(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        if self._packet_receiver is not None:
            self._packet_receiver.report_received(data)
