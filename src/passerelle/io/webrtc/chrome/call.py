"""Links of the profile `call`: sound and video both ways, as in a call, whatever they carry.

`CallOffer` offers them and takes nothing else. The engine encodes pictures and a voice that are
made here (`core.media.scene`, `core.media.voice`), at the rates, times and sizes that it chooses
as in any call; messages take the place of what is in its video frames (`core.media.callframe`).
No camera and no microphone is opened.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Any

from passerelle.core.media import callframe, pieces, scene
from passerelle.core.media.callpath import CallWindow
from passerelle.core.media.frame import News
from passerelle.core.media.voice import BLOCK, BLOCK_S, SAMPLES_PER_S, Voice
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.media import MediaExchange, MediaOwner
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.wire.description import CALL_MEDIA_VERSION, Description

BEHIND_S = 0.2
"""Sound that was due longer ago is left out."""
START_BIT_S = 300_000.0
"""The rate with which a browser begins a call."""
RATE_S = 1.0
"""Time constant with which the rate of what can be carried is averaged."""


class CallExchange(MediaExchange):
    """The sound and the video of one link."""

    codecs = ("video/vp8", "video/rtx", "video/red", "video/ulpfec")

    def __init__(self, connection: Any, offered: Any = None) -> None:
        """Add sound and video to `connection`, which has made no offer yet.

        `offered` is None: no link of this kind is answered here.
        """
        webrtc = load()
        self._sound = webrtc.MediaStreamTrackGenerator(kind="audio")
        init = webrtc.RTCRtpTransceiverInit(direction="sendrecv")
        transceiver = connection.add_transceiver(self._sound, init)
        codecs = webrtc.RTCRtpReceiver.get_capabilities("audio").codecs
        opus = [codec for codec in codecs if codec.mime_type == "audio/opus"]
        transceiver.set_codec_preferences(opus)
        super().__init__(connection)
        # A reader's line and machine are spared large pictures.
        self._look = scene.look(random.random, may_be_large=False)
        self._scene: scene.Scene | None = None
        self._joiner = pieces.Joiner()
        self._path = CallWindow(time.monotonic())
        self._room_bit_s = START_BIT_S
        """What frames can carry, on average."""
        self._due_at = 0.0
        """When the next picture is due."""

    def start(self, owner: MediaOwner, allowance: Allowance) -> None:
        """See `MediaExchange.start`."""
        super().start(owner, allowance)
        self._tasks.spawn(self._film(), "camera")
        self._tasks.spawn(self._hum(), "sound")

    async def _film(self) -> None:
        """Begin to show pictures, once what is in them is made."""
        self._scene = await asyncio.to_thread(scene.Scene, self._look, random.random)
        self._due_at = time.monotonic()
        self._schedule(0.0)

    def _limit(self, encoding: Any) -> None:
        """Bound the video as an application may; its own bounds are the engine's."""
        if self._look.bound_bit_s:
            encoding.max_bitrate = self._look.bound_bit_s

    async def _hum(self) -> None:
        """Send a voice's sound until the link ends."""
        voice = await asyncio.to_thread(Voice, random.random, self._look.talk)
        writer = self._sound.writable.get_writer()
        due_at = time.monotonic()
        sent = 0
        while not self._over:
            now = time.monotonic()
            if now - due_at > BEHIND_S:
                due_at = now
            init = self._webrtc.AudioDataInit(
                format="s16",
                sample_rate=SAMPLES_PER_S,
                number_of_frames=BLOCK,
                number_of_channels=1,
                timestamp=int(sent * BLOCK_S * 1e6),
                data=voice.next_block(),
            )
            try:
                await writer.write(self._webrtc.AudioData(init))
            except Exception:
                return  # the connection has ended
            sent += 1
            due_at += BLOCK_S
            wait_s = due_at - time.monotonic() + scene.lateness_s(self._look, random.random)
            await asyncio.sleep(max(0.0, wait_s))

    # --- out ------------------------------------------------------------------------------------

    def _may_go_beside(self, message: bytes, *, few: bool) -> bool:
        """Leave the DataChannel alone: in frames nobody sees what is sent."""
        return False

    def _parts(self, message: bytes) -> Iterable[bytes]:
        return pieces.split(message)

    def _whole(self, parts: list[bytes]) -> list[bytes]:
        return self._joiner.join(parts)

    def _hasten(self, delay_s: float = 0.0) -> None:
        """Leave the rhythm as it is."""

    @property
    def _rate_bit_s(self) -> float:
        return self._room_bit_s

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        self._pending = 0
        self._look_for_missing(now)
        self._look_at_windows()
        if self._scene is None:
            return
        self._request(now)
        # A camera takes pictures at equal times, also after one that was late.
        self._due_at = max(self._due_at + 1 / self._look.frames_per_s, now)
        self._schedule(self._due_at - now + scene.lateness_s(self._look, random.random))

    def _draw(self) -> tuple[bytes, int, int]:
        assert self._scene is not None  # the caller has looked
        return self._scene.next_picture(), self._look.width, self._look.height

    def _filled(self, genuine: bytes, now: float) -> bytes:
        room = callframe.room_bytes(genuine)
        wanted = max(0, room) * 8 * self._look.frames_per_s
        self._room_bit_s += (wanted - self._room_bit_s) / (RATE_S * self._look.frames_per_s)
        if room >= 0:
            self._told_got()
        return self._packer.fill(genuine, got=self._order.next)

    # --- in -------------------------------------------------------------------------------------

    async def _watch_path(self) -> None:
        """Ask the engine nothing: both ends' stacks choose the rate, as in any call."""

    @property
    def _receive_bytes(self) -> int:
        self._path.rtt_s = self._rtt_s
        return self._path.window_bytes(self._order.held_bytes)

    def _taken(self, encoded: Any) -> tuple[bytes, News | None]:
        frame = callframe.unfill(bytes(encoded.data))
        if frame.news is not None:
            now = time.monotonic()
            self._path.arrived(sum(len(piece) for _, piece in frame.news.messages), now)
            self._path.waited(frame.news.backlog_bytes, now)
        return frame.picture, frame.news


class CallOffer(ChromeOffer):
    """The client's half of a link of the profile `call`."""

    exchange = CallExchange
    version = CALL_MEDIA_VERSION

    def _refusal(self, answer: Description) -> str:
        if answer.media != CALL_MEDIA_VERSION:
            return "the volunteer's page cannot take part in a call"
        return ""
