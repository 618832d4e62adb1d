"""A video track whose pictures are made here: each has the encoder make one frame."""

from __future__ import annotations

import asyncio
from typing import Any

from passerelle.core.media.frame import SIDE
from passerelle.io.webrtc.chrome.library import load

APART_US = 1_000
"""An encoder drops a picture unless it is at least so much later than the last one."""


class Pictures:
    """The track, and what is shown on it."""

    def __init__(self) -> None:
        """Make the track, with nothing on it."""
        self._webrtc = load()
        generator = self._webrtc.VideoTrackGenerator()
        self.track: Any = generator.track
        """What a sender sends."""
        self._writer = generator.writable.get_writer()
        self._shown_us = 0

    def show(self, pixels: bytes, width: int, height: int, now: float) -> None:
        """Show one picture, which is I420, at `now`. After the connection's end, do nothing."""
        self._shown_us = max(self._shown_us + APART_US, int(now * 1e6))
        init = self._webrtc.VideoFrameBufferInit(
            format="I420", coded_width=width, coded_height=height, timestamp=self._shown_us
        )
        picture = self._webrtc.VideoFrame(pixels, init)

        def written(done: asyncio.Future[None]) -> None:
            if done.cancelled() or done.exception() is not None:
                picture.close()

        self._writer.write(picture).add_done_callback(written)


class TinyPictures:
    """Pictures that nobody ever sees: they only have to differ."""

    def __init__(self) -> None:
        """Begin with a green one."""
        self._pixels = bytearray(SIDE * SIDE * 3 // 2)
        self._count = 0

    def draw(self) -> bytes:
        """Return the next one, as I420. An encoder may leave a still picture out."""
        self._count += 1
        self._pixels[self._count % (SIDE * SIDE)] = self._count & 0xFF
        return bytes(self._pixels)
