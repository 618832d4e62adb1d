"""Link messages in the frames of a video, both ways, as media links of version 2 have.

The encoder's frames are genuine, and so are the decoder's (`core.media.frame`). Frames need not
come, come once, or come in order: messages are numbered, what is missing is asked for over the
DataChannel, and what nobody acknowledged is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Iterable
from typing import Any, Protocol

from passerelle import limits
from passerelle.core.media.browserpath import PACKET_BYTES, ReceiveWindow, send_window_bytes
from passerelle.core.media.budget import FrameBudget
from passerelle.core.media.delay import Least
from passerelle.core.media.frame import SIDE, News, unwrap
from passerelle.core.media.packer import MessagePacker
from passerelle.core.media.sparse import Sparse
from passerelle.core.media.video import (
    RESEND_LEAST_S,
    RESEND_RTTS,
    Order,
    resend_wait_s,
    split_numbered,
)
from passerelle.core.tunnel.estimator import INITIAL_RTT_S
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.transport import Windows, is_news
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.pathreport import PathReport
from passerelle.io.webrtc.chrome.pictures import Pictures, TinyPictures
from passerelle.io.webrtc.receipts import Receipts
from passerelle.io.webrtc.silence import Silence
from passerelle.wire import control
from passerelle.wire.description import MESSAGE_NUMBER_BYTES

START_BIT_S = 5e6
"""Rate before the engine has said one."""
MOST_BIT_S = 400_000_000
FRAMES_PER_S = 1_000
PENDING = 3
"""Frames that are asked for and have not come, at most."""
LATE_S = 0.030
"""A frame that has not come by then is given up."""
TICK_S = 0.005
"""Time between two looks at what waits, while something does."""
REPORT_S = 0.05
REPORT_STARTING_S = 0.02
"""Time between two questions for what the engine knows of the path, while something moves: each
costs a millisecond of work. While the path's rate is being found, the window follows faster."""
STARTING_S = 3.0
"""How long after a pause that may be so. A download that is slower than the path never finds its
rate, and would be asked for without end."""
QUIET_S = 0.5
"""Time without anything sent or heard after which the engine is asked no more."""
LOSSY_S = 10.0
"""How long after a lost packet the DataChannel is not used for messages. It is repaired so slowly
that one lost acknowledgement would let a download stand still for half a second."""
SMALL_BYTES = 1_100
"""Largest message for the DataChannel, which it takes while nothing waits and messages are few."""
GATHER_S = 0.008
"""How long small messages wait for others: each frame costs work at both ends."""
FIRST_MESSAGES = 8
"""The first messages may go over the DataChannel whatever their size: a video starts slowly."""
TAIL_S = (0.025, 0.100)
"""When empty frames follow the last one with messages, to show whether that one was lost."""
IDLE_S = 1.0
"""Time between two empty frames while nothing is sent."""
IDLE_LEAST_BYTES, IDLE_SPREAD_BYTES = 200, 900
RTT_AGE_S = 120.0
"""How long the smallest round trip is believed."""
_HALF = limits.MESSAGE_NUMBERS // 2


class MediaOwner(Protocol):
    """Uses a `MediaExchange`."""

    def media_messages(self, messages: list[bytes]) -> None:
        """Take link messages, in order."""

    def media_say(self, message: control.Control) -> None:
        """Send a control message over the DataChannel."""

    def media_send(self, message: bytes) -> None:
        """Send a numbered message over the DataChannel."""

    def media_window(self) -> None:
        """`MediaExchange.windows` may have changed."""

    def media_failed(self, error: LinkLost) -> None:
        """The volunteer sent what it must not. Called once."""


class MediaExchange:
    """The video of one link. Its track belongs to the PeerConnection that `offer` gives it."""

    codecs: tuple[str, ...] = ("video/vp8", "video/rtx")
    """What is offered."""

    def __init__(self, connection: Any, offered: Any = None) -> None:
        """Add the video to `connection`, which has made no offer yet.

        `offered` is the transceiver of a video that the other end has offered, which is answered.
        Then `join` comes before the answer.
        """
        webrtc = load()
        self._webrtc = webrtc
        self._pictures = Pictures()
        if offered is not None:
            offered.direction = "sendrecv"
            self._transceiver = offered
        else:
            init = webrtc.RTCRtpTransceiverInit(direction="sendrecv")
            self._transceiver = connection.add_transceiver(self._pictures.track, init)
            codecs = webrtc.RTCRtpReceiver.get_capabilities("video").codecs
            self._transceiver.set_codec_preferences(
                [codec for codec in codecs if codec.mime_type.lower() in self.codecs]
            )
        self._transceiver.sender.transform = webrtc.RTCRtpScriptTransform(self._fill)
        self._transceiver.receiver.transform = webrtc.RTCRtpScriptTransform(self._empty)
        self._tiny = TinyPictures()
        self._owner: MediaOwner | None = None
        self._allowance: Allowance | None = None
        self._tasks = TaskSet("media")
        now = time.monotonic()
        self._budget = FrameBudget(START_BIT_S, now)
        self._packer = MessagePacker()
        self._sparse = Sparse(now)
        self._pending = 0
        self._frame_at = now
        self._idle = 0
        self._busy = asyncio.Event()
        """Set while something moves."""
        self._lost_packets = 0
        self._lost_at = -math.inf
        """When a packet was lost last, either way."""
        self._timer: asyncio.TimerHandle | None = None
        self._order = Order()
        self._receipts: Receipts | None = None
        self._silence: Silence | None = None
        """Both from `start` on."""
        self._heard_at = now
        """When the last frame or message came."""
        self._unsent = 0
        self._missing_since: float | None = None
        """Since when message `_missing_next` is missing; None while none is."""
        self._missing_next = 0
        self._resend_at = 0.0
        self._rtt_s = RESEND_LEAST_S / RESEND_RTTS
        """Smallest round trip to the far end of the link."""
        self._least_rtt = Least(RTT_AGE_S)
        self._window = ReceiveWindow(now)
        self._told = Windows(0, 0)
        self._over = False
        self._early_error: LinkLost | None = None
        """What the far end did wrong before `start`."""

    async def join(self) -> None:
        """Put the video into the transceiver that was offered."""
        await self._transceiver.sender.replace_track(self._pictures.track)

    def start(self, owner: MediaOwner, allowance: Allowance) -> None:
        """Begin, once the connection is open. The work that frames make is charged to `allowance`.

        What the messages in them are worth is the owner's to add.
        """
        self._owner = owner
        self._allowance = allowance
        self._receipts = Receipts(self._order, owner.media_say)
        self._silence = Silence(lambda: self._heard_at, owner.media_window, self._fall_silent)
        self._tasks.spawn(self._set_limits(), "limits")
        self._tasks.spawn(self._watch_path(), "path")
        self._schedule(0.0)
        if self._early_error is not None:
            asyncio.get_running_loop().call_soon(self._lose, self._early_error)

    async def _set_limits(self) -> None:
        sender = self._transceiver.sender
        parameters = sender.get_parameters()
        for encoding in parameters.encodings:
            self._limit(encoding)
        # The link may end meanwhile.
        with contextlib.suppress(self._webrtc.InvalidStateError):
            await sender.set_parameters(parameters)

    def _limit(self, encoding: Any) -> None:
        """Lift the encoder's own limits, which are those of a small picture."""
        encoding.max_bitrate = MOST_BIT_S
        encoding.max_framerate = FRAMES_PER_S

    def close(self) -> None:
        """Send and deliver nothing more. Idempotent."""
        self._over = True
        self._busy.set()  # `_watch_path` ends
        if self._timer is not None:
            self._timer.cancel()
        if self._receipts is not None:
            self._receipts.close()
        if self._silence is not None:
            self._silence.close()

    # --- out ------------------------------------------------------------------------------------

    @property
    def queued_bytes(self) -> int:
        """Bytes of messages that wait to be sent."""
        return self._packer.queued_bytes

    @property
    def is_done(self) -> bool:
        """Whether the other end has every message."""
        return self._packer.is_done

    @property
    def _rate_bit_s(self) -> float:
        """Rate at which messages can be sent."""
        return self._budget.rate_bit_s

    def windows(self, rtt_s: float) -> Windows:
        """See `Transport.windows`."""
        # What the session has measured lately may contain the queue of a download. What it assumes
        # before it has measured is no round trip of this path, and may be shorter than any.
        if rtt_s != INITIAL_RTT_S:
            self._least_rtt.add(rtt_s, time.monotonic())
            self._rtt_s = self._window.rtt_s = self._least_rtt.value
        self._told = self._windows()
        return self._told

    def _windows(self) -> Windows:
        packer = self._packer
        sent = packer.kept_bytes - packer.queued_bytes
        return Windows(
            send=send_window_bytes(self._rate_bit_s / 8, self._rtt_s, sent),
            receive=self._receive_bytes,
            is_silent=self._silence is not None and self._silence.is_silent,
        )

    @property
    def _receive_bytes(self) -> int:
        """What the far end may have unacknowledged."""
        missing_bytes = self._order.missing_bytes(self._unsent)
        return self._window.window_bytes(self._order.held_bytes, missing_bytes)

    def _look_at_windows(self) -> None:
        """Have new windows told at once where they differ: the far end may wait for room."""
        now, told = self._windows(), self._told
        news = is_news(now.receive, told.receive) or is_news(now.send, told.send)
        if self._owner is not None and news:
            self._owner.media_window()

    def send(self, message: bytes) -> None:
        """Queue one message. An empty one means nothing, and is left out."""
        if not message or self._owner is None:
            return
        quiet = self._packer.queued_bytes == 0
        small = len(message) <= SMALL_BYTES
        beside = self._may_go_beside(message, few=self._sparse.add(time.monotonic()))
        for part in self._parts(message):
            self._packer.push(part)
        if self._packer.cost_bytes > limits.MEDIA_KEPT_BYTES:
            error = LinkLost(LinkCode.LIMIT, "the volunteer does not say what it has")
            self.close()
            self._owner.media_failed(error)
            return
        if quiet and beside:
            while shifted := self._packer.shift():
                number, data = shifted
                self._owner.media_send(number.to_bytes(MESSAGE_NUMBER_BYTES, "big") + data)
        elif quiet:
            self._hasten(GATHER_S if small else 0.0)

    def _hasten(self, delay_s: float = 0.0) -> None:
        """Send what began to wait, after `delay_s`."""
        self._idle = 0
        self._busy.set()
        self._schedule(delay_s)

    def _may_go_beside(self, message: bytes, *, few: bool) -> bool:
        """Return whether a message may go over the DataChannel, where nothing else waits.

        `few` says that few messages were sent of late.
        """
        if self._packer.count < FIRST_MESSAGES:
            return True
        is_lossy = time.monotonic() - self._lost_at < LOSSY_S
        return few and not is_lossy and len(message) <= SMALL_BYTES

    def _parts(self, message: bytes) -> Iterable[bytes]:
        """Return what of a message is numbered."""
        return (message,)

    def _whole(self, parts: list[bytes]) -> list[bytes]:
        """Return the messages that parts in order make. Raises PeerError."""
        return parts

    def acknowledged(self, message: control.Got) -> None:
        """Learn what the relay has. Raises PeerError."""
        self._packer.acknowledge(message.next)
        self._look_at_windows()

    def missed(self, message: control.Resend) -> None:
        """Learn what the relay misses."""
        self._packer.resend(message.gaps)
        if self._packer.queued_bytes:
            self._hasten()

    def _schedule(self, delay_s: float) -> None:
        if self._over:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        if self._pending and now - self._frame_at > LATE_S:
            self._pending = 0
        self._look_for_missing(now)
        self._look_at_windows()
        if self._packer.queued_bytes:
            wanted = self._budget.frames(self._packer.queued_bytes, now)
            # Frames that are on their way from the encoder take their share of what waits.
            for _ in range(min(wanted, PENDING) - self._pending):
                self._request(now)
            self._schedule(TICK_S)
            return
        self._request(now)
        wait_s = TAIL_S[self._idle] if self._idle < len(TAIL_S) else IDLE_S
        self._idle += 1
        self._schedule(min(wait_s, RESEND_LEAST_S) if self._missing_since is not None else wait_s)

    def _request(self, now: float) -> None:
        """Have the encoder make one frame."""
        if self._pending == 0:
            self._frame_at = now
        self._pending += 1
        pixels, width, height = self._draw()
        self._pictures.show(pixels, width, height, now)

    def _draw(self) -> tuple[bytes, int, int]:
        """Return the next picture as I420, its width and its height."""
        return self._tiny.draw(), SIDE, SIDE

    async def _watch_path(self) -> None:
        """Ask the engine again and again what it knows of the path, while something moves."""
        report = PathReport(self._transceiver)
        woke_at = time.monotonic()
        while not self._over:
            try:
                await report.renew(time.monotonic())
            except self._webrtc.RTCException:
                return  # the connection has ended
            now = time.monotonic()
            if report.rate_bit_s and self._packer.queued_bytes:
                self._budget.rate_bit_s = report.rate_bit_s
            lost_packets = report.lost_packets + report.lost_there
            if lost_packets > self._lost_packets:
                self._lost_packets, self._lost_at = lost_packets, now
            self._window.report(report.received_bytes, report.lost_packets, now)
            self._look_at_windows()
            if now - self._heard_at > QUIET_S and not self._packer.queued_bytes:
                self._busy.clear()
            starting = self._window.is_starting and now - woke_at < STARTING_S
            await asyncio.sleep(REPORT_STARTING_S if starting else REPORT_S)
            has_paused = not self._busy.is_set()
            if not self._over:
                await self._busy.wait()
            if has_paused:
                woke_at = time.monotonic()

    async def _fill(self, event: Any) -> None:
        """Put messages behind the encoder's bytes of each frame."""
        reader = event.transformer.readable.get_reader()
        writer = event.transformer.writable.get_writer()
        while not (item := await reader.read()).done:
            encoded = item.value
            now = time.monotonic()
            self._pending = max(0, self._pending - 1)
            self._frame_at = now
            encoded.data = self._filled(bytes(encoded.data), now)
            await writer.write(encoded)

    def _filled(self, genuine: bytes, now: float) -> bytes:
        """Return the frame that is sent for the encoder's."""
        least = len(genuine) + IDLE_LEAST_BYTES + random.randrange(IDLE_SPREAD_BYTES)  # noqa: S311
        if self._packer.queued_bytes:
            least = 0
            self._idle = 0
        most = self._budget.available(now)
        data = self._packer.next_frame(genuine, most, least, got=self._order.next, now=now)
        self._told_got()
        self._budget.spend(len(data))
        return data

    def _told_got(self) -> None:
        """Know that a frame tells what is here."""
        if self._receipts is not None:
            self._receipts.told()

    # --- in -------------------------------------------------------------------------------------

    async def _empty(self, event: Any) -> None:
        """Take messages out of each frame, and hand the encoder's own bytes to the decoder."""
        reader = event.transformer.readable.get_reader()
        writer = event.transformer.writable.get_writer()
        while not (item := await reader.read()).done:
            encoded = item.value
            self._heard_at = time.monotonic()
            start_s = 0.0 if self._allowance is None else self._allowance.start()
            try:
                encoded.data, news = self._taken(encoded)
                await writer.write(encoded)
                # What comes before `start` counts as lost: the other end sends it again.
                if news is not None and self._owner is not None:
                    self._hear(news)
            except PeerError as error:
                self._fail(error)
                return
            if self._allowance is not None:
                self._allowance.charge(start_s)

    def _taken(self, encoded: Any) -> tuple[bytes, News | None]:
        """Return the decoder's part of a frame, and what it told. Raises PeerError."""
        data = encoded.data
        frame = unwrap(data)
        if len(data) <= PACKET_BYTES:
            # The library copies all that it knows of a frame, which takes longer than the rest.
            arrived_s = encoded.get_metadata().receive_time / 1_000
            self._window.delayed(len(data), frame.sent, arrived_s)
        else:
            self._window.waits(frame.backlog_bytes, time.monotonic())
        return frame.genuine, frame

    def _hear(self, news: News) -> None:
        """Take what a frame brought. Raises PeerError."""
        if (news.unsent - self._unsent) % limits.MESSAGE_NUMBERS < _HALF:
            self._unsent = news.unsent  # of frames that came in order
        self._packer.acknowledge(news.got)
        self._deliver(news.messages)

    def channel_message(self, message: bytes) -> None:
        """Take a binary message of the DataChannel, with its number in front."""
        self._heard_at = time.monotonic()
        self._window.arrived(len(message))
        try:
            self._deliver([split_numbered(message)])
        except PeerError as error:
            self._fail(error)

    def _deliver(self, numbered: list[tuple[int, bytes]]) -> None:
        now = time.monotonic()
        ready: list[bytes] = []
        if numbered:
            self._busy.set()
        for number, message in numbered:
            ready += self._order.add(number, message, now)
        if ready and self._owner is not None and self._receipts is not None and not self._over:
            self._owner.media_messages(self._whole(ready))
            self._receipts.count(ready)
        self._look_for_missing(now)
        self._look_at_windows()

    def _look_for_missing(self, now: float) -> None:
        """Ask for messages that a later frame shows to be missing, once they are late."""
        behind = (self._unsent - self._order.next) % limits.MESSAGE_NUMBERS
        if not 0 < behind <= limits.MEDIA_MESSAGES_AHEAD:
            self._missing_since = None
            return
        if self._missing_since is None or self._missing_next != self._order.next:
            self._missing_since, self._missing_next = now, self._order.next
        wait_s = resend_wait_s(self._rtt_s)
        if now < max(self._missing_since + wait_s, self._resend_at) or self._owner is None:
            return
        self._resend_at = now + wait_s
        gaps = self._order.missing(limits.RESEND_GAPS, self._unsent)
        self._owner.media_say(control.Resend(tuple(gaps)))

    def _fall_silent(self) -> None:
        self._lose(LinkLost(LinkCode.TIMEOUT, "the volunteer fell silent"))

    def _fail(self, error: PeerError) -> None:
        self._lose(LinkLost(error.code, error.reason))

    def _lose(self, error: LinkLost) -> None:
        if self._owner is None:
            self._early_error = error
        elif not self._over:
            self.close()
            self._owner.media_failed(error)
