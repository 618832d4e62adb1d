"""Downstream of a media link: messages from video and DataChannel in one order, and what the relay
is told of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from passerelle import limits
from passerelle.core.media.ratecontrol import Least
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.webrtc.sctp import SctpSender
from passerelle.io.webrtc.video import MediaDtls, VideoReceiver
from passerelle.wire import control
from passerelle.wire.description import MESSAGE_NUMBER_BYTES

GOT_BYTES = 256 * limits.KIB
GOT_S = 0.2
"""The relay is told to forget what arrived after so many bytes, or so much time."""
TOLD_STEP = 16
"""A window that changed by more than this part is told at once."""
SILENT_S = 2.5
"""A relay sends an empty frame every second: without any, video tells nothing of the path."""
RTT_AGE_S = 120.0
"""How long the smallest round trip is believed: where packets are lost, most wait for others."""
UPLOAD_SLACK_S = 0.040
"""What a message waits in the browser and at the exit, beyond the path to the browser."""


class Inbox:
    """Takes what a volunteer sends to us."""

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
        self._fresh_bytes = 0
        """Arrived since the relay was told."""
        self._over = False
        self._told_bytes = 0
        self._least_rtt = Least(RTT_AGE_S)
        self._timer: asyncio.TimerHandle | None = None

    def take(self, message: bytes) -> None:
        """Take a binary message of the DataChannel."""
        if len(message) < MESSAGE_NUMBER_BYTES:
            self._fail(LinkLost(LinkCode.MALFORMED, "a message without a number"))
            return
        number = int.from_bytes(message[:MESSAGE_NUMBER_BYTES], "big")
        self._video.message_received(number, message[MESSAGE_NUMBER_BYTES:])

    def windows(self, rtt_s: float) -> Windows:
        """See `Transport.windows`."""
        now = time.monotonic()
        # The session guesses at first; no way through the browser is shorter than that to it.
        self._least_rtt.add(max(rtt_s, self._sctp.least_rtt_s), now)
        self._video.path_rtt_s = rtt_s = self._least_rtt.value
        self._video.repair.seed(self._sctp.least_rtt_s)
        self._told_bytes = self._video.window_bytes
        silent = now - self._video.packet_at > SILENT_S
        beyond_s = max(0.0, rtt_s - self._sctp.least_rtt_s) + UPLOAD_SLACK_S
        return Windows(
            send=self._sctp.window_bytes + int(self._sctp.rate * beyond_s),
            receive=0 if silent else self._told_bytes,
        )

    def close(self) -> None:
        """Stop telling. Idempotent."""
        self._over = True
        self._video.close()
        if self._timer is not None:
            self._timer.cancel()

    # --- VideoOwner -----------------------------------------------------------------------------

    def video_messages(self, messages: list[bytes]) -> None:
        """Hand messages on, and count them."""
        for message in messages:
            self._fresh_bytes += len(message)
            self._receiver.message_received(message)
        if self._over:
            return
        if self._fresh_bytes >= GOT_BYTES:
            self._tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GOT_S, self._tell)

    def video_missing(self, gaps: list[tuple[int, int]]) -> None:
        """Ask the relay itself."""
        self._say(control.Resend(tuple(gaps)))

    def video_window(self) -> None:
        """Have the far end told at once: it may be waiting for what is held here."""
        if abs(self._video.window_bytes - self._told_bytes) * TOLD_STEP > self._told_bytes:
            self._receiver.windows_changed()

    def video_failed(self, error: LinkLost) -> None:
        """End the link."""
        self._fail(error)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fresh_bytes = 0
        self._say(control.Got(self._video.order.next % limits.MESSAGE_NUMBERS))
