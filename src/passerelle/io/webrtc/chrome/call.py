"""Links of the profile `call`: sound and video both ways, at a call's rates, whatever they carry.

`CallOffer` offers them and takes nothing else. Their frames come at the times and in the lengths
that `core.media.callprofile` says; messages go inside, and nothing is sent faster because more of
them wait. The sound is made here: no microphone is opened.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Any

from passerelle import limits
from passerelle.core.media import callprofile, pieces
from passerelle.core.media.callprofile import CallShape
from passerelle.core.media.voice import BLOCK, BLOCK_S, SAMPLES_PER_S, Voice
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.media import MediaExchange, MediaOwner
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.wire.description import CALL_MEDIA_VERSION, Description

BEHIND_S = 0.2
"""Sound that was due longer ago is left out."""
CHANNEL_PARTS = 256
"""Pieces that may go over the DataChannel before the first frame was made."""
QUESTION_S = 0.5
"""Time between two questions for what the engine knows of the path."""
PERIOD_S = 1 / callprofile.FRAMES_PER_S


class CallExchange(MediaExchange):
    """The sound and the video of one link."""

    codecs = ("video/vp8", "video/rtx", "video/red", "video/ulpfec")
    start_bit_s = 300_000.0  # with which a browser begins a call
    most_bit_s = callprofile.BUSY_BIT_S
    most_frames_s = callprofile.FRAMES_PER_S
    clear_bytes = limits.MEDIA_FRAME_BYTES  # a call's frames have several packets, all alike
    report_s = report_starting_s = QUESTION_S

    def __init__(self, connection: Any) -> None:
        """Add sound and video to `connection`, which has made no offer yet."""
        webrtc = load()
        self._sound = webrtc.MediaStreamTrackGenerator(kind="audio")
        init = webrtc.RTCRtpTransceiverInit(direction="sendrecv")
        transceiver = connection.add_transceiver(self._sound, init)
        codecs = webrtc.RTCRtpReceiver.get_capabilities("audio").codecs
        opus = [codec for codec in codecs if codec.mime_type == "audio/opus"]
        transceiver.set_codec_preferences(opus)
        super().__init__(connection)
        self._shape = CallShape()
        self._joiner = pieces.Joiner()
        self._frames = 0
        """Frames made so far."""
        self._due_at = 0.0
        """When the next picture is due."""

    def start(self, owner: MediaOwner, allowance: Allowance) -> None:
        """See `MediaExchange.start`."""
        self._due_at = time.monotonic()
        super().start(owner, allowance)
        self._tasks.spawn(self._hum(), "sound")

    async def _hum(self) -> None:
        """Send a voice's sound until the link ends."""
        voice = await asyncio.to_thread(Voice, random.random)
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
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))

    # --- out ------------------------------------------------------------------------------------

    def _may_go_beside(self, message: bytes, *, few: bool) -> bool:
        """Use the DataChannel only until frames are made: in them nobody sees what is sent."""
        return self._frames == 0 and self._packer.count < CHANNEL_PARTS

    def _parts(self, message: bytes) -> Iterable[bytes]:
        return pieces.split(message)

    def _whole(self, parts: list[bytes]) -> list[bytes]:
        return self._joiner.join(parts)

    def _hasten(self, delay_s: float = 0.0) -> None:
        """Leave the rhythm as it is."""

    @property
    def _rate_bit_s(self) -> float:
        return min(self._budget.rate_bit_s, callprofile.BUSY_BIT_S)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        self._pending = 0
        self._look_for_missing(now)
        self._look_at_windows()
        self._request(now)
        # A camera's pictures come at equal times, also after one that was late.
        self._due_at = max(self._due_at + PERIOD_S, now)
        self._schedule(self._due_at - now)

    def _bounds(self, genuine: bytes, now: float) -> tuple[int, int]:
        self._frames += 1
        size = self._shape.next_frame(
            self._budget.rate_bit_s,
            self._packer.queued_bytes,
            is_key=bool(genuine) and not genuine[0] & 1,  # RFC 6386 §9.1
            chance=random.gauss(0, 1),
        )
        return size, size


class CallOffer(ChromeOffer):
    """The client's half of a link of the profile `call`."""

    exchange = CallExchange
    version = CALL_MEDIA_VERSION

    def _refusal(self, answer: Description) -> str:
        if answer.media != CALL_MEDIA_VERSION:
            return "the volunteer's page cannot take part in a call"
        return ""
