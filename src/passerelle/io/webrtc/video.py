"""The client's end of a media link's video: packets in, link messages out, reports back.

`RateControl` decides here how fast the browser's packets may come. A receiver cannot hold packets
back, so its window is told to the exit, which keeps no more under way on this link; there it
replaces the window of `core.tunnel.LinkEstimator`. `core.media.ratecontrol` says why there are two
controllers.

No RTCPeerConnection, RTCRtpReceiver, router or decoder of aiortc's is involved. What is used of its
insides: `RTCDtlsTransport._send_rtp` protects and sends RTCP; although it is `async`, it never
waits. `MediaDtls` hands packets in, of one source each for the video and its repairs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

from passerelle import limits
from passerelle.core.media import rtp, video
from passerelle.core.media.delay import PathDelay
from passerelle.core.media.nack import Repair
from passerelle.core.media.ratecontrol import RateControl
from passerelle.core.media.video import Fragment, Frames, Order
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.dtls import MediaDtls

REPAIR_TICK_S = 0.005
"""Time between two looks at what is missing, while something is. Reordering shorter than this is
forgiven."""
TICK_S = 0.010
"""Time between two looks otherwise."""
IDLE_TICK_S = 1.0
"""Time between two looks while the video is idle."""
IDLE_AFTER_S = 0.5
"""Time without a packet after which the video counts as idle."""
REPORT_S = 0.1
"""Time between two reports to the browser, which measures its round trip by them."""
BITRATE_GAIN = 6
"""How many times the path's rate the browser is allowed to send, so that the window limits and not
the browser. The allowance is never lowered, since a browser regains only 8 % a second (libwebrtc).
It does not begin with what a fast path may carry, since a browser probes with padding at twice what
it is allowed."""
BITRATE_LEAST_BIT_S = 3e6
DELAY_AGE_S = 20.0
"""How long the smallest transit time is believed. Clocks drift by less than a millisecond in it."""

LOSSY = 0.02
"""Share of lost packets above which questions for them are repeated."""

_UNSEEN = 1 << 30
"""A backlog that stands for none seen."""


class VideoOwner(Protocol):
    """Uses a `VideoReceiver`."""

    def video_messages(self, messages: list[bytes]) -> None:
        """Take link messages, in order."""

    def video_missing(self, gaps: list[tuple[int, int]]) -> None:
        """Ask the relay to send messages again. Gaps are (first, end) in 32-bit numbers."""

    def video_window(self) -> None:
        """The window may have changed."""

    def video_failed(self, error: LinkLost) -> None:
        """The volunteer sent what it must not. Called once."""


class VideoReceiver:
    """One incoming video, and the messages in it.

    Messages that came over the DataChannel are given to `message_received` with their numbers,
    because both ways share one order.
    """

    def __init__(self, dtls: MediaDtls, owner: VideoOwner) -> None:
        self._dtls = dtls
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        now = time.monotonic()
        self.path_rtt_s: float | None = None
        """The bare round trip of the whole link, for which the window is sized. The owner sets it
        when it is known; until then, the round trip to the browser is used."""
        self.rtt_jitter_s = 0.0
        """The jitter of that round trip. The owner sets it, too."""
        self.control = RateControl(now)
        self.repair = Repair()
        self.order = Order()
        self.bytes_received = 0
        self._packet_bytes = 0
        """Size of the last packet: the lost ones are taken to be as large."""
        self._frames = Frames()
        self._sequences = rtp.WrappingNumber()
        self._send_times = rtp.WrappingNumber(rtp.SEND_TIME_SPAN)
        self._transit = PathDelay(DELAY_AGE_S)
        """Delays of packets, from the browser's clock to this machine's."""
        self._backlog_bytes = _UNSEEN
        """Fewest bytes that waited at the relay since the last tick."""
        self._video_ssrc: int | None = None
        self._last_report = (0, 0.0)
        self._bitrate_bit_s = BITRATE_LEAST_BIT_S
        self.packet_at = now
        """When the last packet came; before the first, when the receiver was made."""
        self._reported_at = 0.0
        self._resend_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._tasks = TaskSet("video")
        self._over = False

    @property
    def window_bytes(self) -> int:
        """How many bytes the far end may have unacknowledged on this link.

        It is the window of the path, and what has arrived but waits for something before it. Such
        bytes are not on the path any more, although they cannot be acknowledged yet.
        """
        held = self._frames.held_bytes + self.order.held_bytes
        return min(limits.LINK_WINDOW_CAP_BYTES, self.control.window_bytes + held)

    def close(self) -> None:
        """Stop reporting. Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    # --- in -------------------------------------------------------------------------------------

    def packet_received(self, data: bytes) -> None:
        """Take one RTP packet. Packets that are not of the expected video are dropped."""
        if self._over:
            return
        try:
            packet = rtp.parse(data)
        except ValueError:
            return
        now = self.packet_at = time.monotonic()
        try:
            self._take(packet, now)
        except ValueError:
            self._fail(LinkCode.MALFORMED, "the volunteer sent a broken packet")
        except PeerError as error:
            self._fail(error.code, error.reason)
        self._arm(REPAIR_TICK_S if len(self.repair) else TICK_S)

    def report_received(self, data: bytes) -> None:
        """Take one packet of RTCP reports. Only the video's sender report is of use."""
        report = rtp.sender_report(data)
        if report is not None and report[0] == self._video_ssrc:
            self._last_report = report[1], time.monotonic()

    def message_received(self, number: int, message: bytes) -> None:
        """Take a message that came over the DataChannel, with its 32-bit number."""
        if self._over:
            return
        self.control.arrived(len(message))
        try:
            self._deliver([(number, message)], time.monotonic())
        except PeerError as error:
            self._fail(error.code, error.reason)
        self._arm(TICK_S)

    def _take(self, packet: rtp.RtpPacket, now: float) -> None:
        self.bytes_received += len(packet.payload)
        if packet.send_time is not None:
            sent_s = self._send_times.extend(packet.send_time) * rtp.SEND_TIME_UNIT_S
            self._transit.add(len(packet.payload), sent_s, now)
        if packet.payload_type == rtp.VIDEO_PAYLOAD_TYPE:
            self._video_ssrc = packet.ssrc
            number = self._sequences.extend(packet.sequence)
            fresh = self.repair.arrived(number, now)
            self._packet_bytes = len(packet.payload)
            self.control.arrived(self._packet_bytes)
            if fresh:
                self._add(number, packet.marker, packet.payload, now)
        elif packet.payload_type == rtp.REPAIR_PAYLOAD_TYPE:
            self.control.arrived(len(packet.payload))
            # A browser sends padding as retransmissions without a payload.
            if len(packet.payload) > 2 and self._video_ssrc is not None:
                sequence, payload = rtp.unwrap_repair(packet.payload)
                number = self._sequences.extend(sequence, keep=False)
                if self.repair.repaired_by(number, now):
                    self._add(number, packet.marker, payload, now)

    def _add(self, number: int, marker: bool, payload: bytes, now: float) -> None:
        starts, data = rtp.strip_vp8(payload)
        self._finish(self._frames.add(number, Fragment(starts, marker, data)), now)

    def _finish(self, frames: list[bytes], now: float) -> None:
        for frame in frames:
            backlog, messages = video.unpack(frame)
            self._backlog_bytes = min(self._backlog_bytes, backlog)
            self._deliver(messages, now)

    def _deliver(self, numbered: list[tuple[int, bytes]], now: float) -> None:
        ready: list[bytes] = []
        for number, message in numbered:
            ready += self.order.add(number, message, now)
        if ready:
            self._dtls.allowance.earn(sum(map(len, ready)))
            self._owner.video_messages(ready)

    def _fail(self, code: LinkCode, reason: str) -> None:
        if not self._over:
            self.close()
            self._owner.video_failed(LinkLost(code, reason))

    # --- out ------------------------------------------------------------------------------------

    def _arm(self, delay_s: float) -> None:
        at = time.monotonic() + delay_s
        if self._over or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(delay_s, self._timed)

    def _timed(self) -> None:
        """Look at what is missing, which takes longer the more it is, and have that charged."""
        start_s = self._dtls.allowance.start()
        self._tick()
        self._dtls.allowance.charge(start_s)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        self._update(now)
        try:
            self._repair(now)
        except PeerError as error:
            self._fail(error.code, error.reason)
        self._report(now)
        self._owner.video_window()
        if len(self.repair):
            self._arm(REPAIR_TICK_S)
        else:
            quiet = now - self.packet_at > IDLE_AFTER_S and not self.order.held_bytes
            self._arm(IDLE_TICK_S if quiet else TICK_S)

    def _update(self, now: float) -> None:
        if not self._transit.update(now):
            return
        rtt_s = self.path_rtt_s
        if rtt_s is None:
            rtt_s = min(self.repair.least_rtt_s, self.repair.rtt_s)
        backlog, self._backlog_bytes = self._backlog_bytes, _UNSEEN
        jitter_s = max(self._transit.jitter_s, self.rtt_jitter_s)
        self.control.update(
            now,
            rtt_s=rtt_s + jitter_s,
            queue_s=self._transit.queue_s,
            jitter_s=jitter_s,
            backlog_bytes=backlog % _UNSEEN,
        )

    def _repair(self, now: float) -> None:
        lost = self.repair.lost
        ask, given_up = self.repair.due(now, twice=self.control.loss > LOSSY)
        self.control.lost((self.repair.lost - lost) * self._packet_bytes)
        if ask and self._video_ssrc is not None:
            for packet in rtp.negative_acknowledgements(self._video_ssrc, ask):
                self._send(packet)
        for number in given_up:
            self._finish(self._frames.skip(number), now)
        since = self.order.missing_since_s
        wait_s = video.resend_wait_s(self.repair.rtt_s)
        if (
            since is not None
            and not len(self.repair)
            and now > max(since + wait_s, self._resend_at)
        ):
            self._resend_at = now + wait_s
            self._owner.video_missing(self.order.missing(limits.RESEND_GAPS))

    def _report(self, now: float) -> None:
        if self._video_ssrc is None or now - self._reported_at < REPORT_S:
            return
        self._reported_at = now
        last, at = self._last_report
        report = rtp.receiver_report(
            self._video_ssrc, self.repair.highest or 0, last_report=last, delay_s=now - at
        )
        self._bitrate_bit_s = max(self._bitrate_bit_s, BITRATE_GAIN * 8 * self.control.rate)
        self._send(report + rtp.bitrate_limit(self._video_ssrc, self._bitrate_bit_s))

    def _send(self, packet: bytes) -> None:
        self._tasks.spawn(self._send_now(packet), "report")

    async def _send_now(self, packet: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the DTLS transport tells its owner
            await self._dtls._send_rtp(packet)
