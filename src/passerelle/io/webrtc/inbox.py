"""What a media link brings to the client: messages from video and DataChannel in one order.

The inbox tells the relay which messages it may forget and which ones to send again, and the session
how much may be under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from passerelle.core.media.delay import Least
from passerelle.core.media.video import split_numbered
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.transport import Receiver, Windows, is_news
from passerelle.io.webrtc.dtls import MediaDtls
from passerelle.io.webrtc.receipts import Receipts
from passerelle.io.webrtc.sctp import SctpSender
from passerelle.io.webrtc.silence import Silence
from passerelle.io.webrtc.video import VideoReceiver
from passerelle.wire import control

SILENT_S = 2.5
"""Time without a packet after which video says nothing of the path. A relay sends an empty frame
every second."""
RTT_AGE_S = 120.0
"""How long the smallest round trip is believed. It is long because, where packets are lost, most
messages wait for others and take longer."""
UPLOAD_SLACK_S = 0.040
"""Time that a message waits in the browser and at the exit, beyond the path to the browser."""


class Inbox:
    """Takes what a volunteer sends to the client on a media link."""

    def __init__(
        self,
        dtls: MediaDtls,
        sctp: SctpSender,
        receiver: Receiver,
        *,
        say: Callable[[control.Control], None],
        fail: Callable[[LinkLost], None],
    ) -> None:
        """`say` sends a control message to the relay, `fail` ends the link."""
        self._sctp = sctp
        self._receiver = receiver
        self._say = say
        self._fail = fail
        self._video = VideoReceiver(dtls, self)
        dtls.deliver_to(self._video)
        self._receipts = Receipts(self._video.order, say)
        self._told_bytes = 0
        """The window that `windows` has returned last."""
        self._least_rtt = Least(RTT_AGE_S)
        self._message_at = 0.0
        """When the last message came over the DataChannel."""
        self._silence = Silence(self._heard_at, receiver.windows_changed, self._fall_silent)

    def take(self, message: bytes) -> None:
        """Take a binary message of the DataChannel."""
        self._message_at = time.monotonic()
        try:
            number, content = split_numbered(message)
        except PeerError as error:
            self._fail(LinkLost(error.code, error.reason))
            return
        self._video.message_received(number, content)

    def windows(self, rtt_s: float) -> Windows:
        """See `Transport.windows`."""
        now = time.monotonic()
        # The session's round trip is a guess at first. The whole path is no shorter than the part
        # of it to the browser.
        self._least_rtt.add(max(rtt_s, self._sctp.least_rtt_s), now)
        self._video.path_rtt_s = rtt_s = self._least_rtt.value
        self._video.rtt_jitter_s = self._sctp.rtt_jitter_s
        self._video.repair.seed(self._sctp.least_rtt_s)
        self._told_bytes = self._video.window_bytes
        silent = now - self._video.packet_at > SILENT_S
        # The acknowledgement of a message meets jitter of its own.
        slack_s = UPLOAD_SLACK_S + self._sctp.rtt_jitter_s
        beyond_s = max(0.0, rtt_s - self._sctp.least_rtt_s) + slack_s
        return Windows(
            send=self._sctp.window_bytes + int(self._sctp.rate * beyond_s),
            receive=0 if silent else self._told_bytes,
            is_silent=self._silence.is_silent,
        )

    def close(self) -> None:
        """Tell relay and session nothing more. Idempotent."""
        self._video.close()
        self._receipts.close()
        self._silence.close()

    def _heard_at(self) -> float:
        return max(self._video.packet_at, self._message_at)

    def _fall_silent(self) -> None:
        self._fail(LinkLost(LinkCode.TIMEOUT, "the volunteer fell silent"))

    # --- VideoOwner -----------------------------------------------------------------------------

    def video_messages(self, messages: list[bytes]) -> None:
        """Hand messages to the receiver, and tell the relay of them in time."""
        for message in messages:
            self._receiver.message_received(message)
        self._receipts.count(messages)

    def video_missing(self, gaps: list[tuple[int, int]]) -> None:
        """Ask the relay to send messages again."""
        self._say(control.Resend(tuple(gaps)))

    def video_window(self) -> None:
        """Have the far end told a new window at once: it may be waiting for room."""
        if is_news(self._video.window_bytes, self._told_bytes):
            self._receiver.windows_changed()

    def video_failed(self, error: LinkLost) -> None:
        """End the link, whose volunteer sent what it must not."""
        self._fail(error)
