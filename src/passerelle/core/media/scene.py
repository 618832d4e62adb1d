"""Moving pictures like those of a camera, for calls in which nobody is seen.

A link of the profile `call` has a browser's own encoder encode them, so its frames have the sizes
of a call's. There is a room, a head that sways, gestures of some seconds, and a sensor's noise.
`widget/src/core/traffic/scene.ts` is the page's half. Nobody ever sees a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SMALL: Final = (640, 360)
LARGE: Final = (1280, 720)
"""Sizes of the pictures, in pixels."""
LARGE_SHARE: Final = 0.6
"""Share of large pictures, where they may be large."""
FRAMES_PER_S: Final = (30, 30, 30, 30, 25, 25, 20, 15)
"""Pictures a second, as cameras make them: one of these, each as likely as the others."""
CLOCK_SPREAD: Final = 0.01
"""How far a camera's clock is from the right time, at most, as a share."""
LATE_S: Final = (0.001, 0.006)
"""Range of how late pictures and sound come on average: a machine always does other things."""
HELD_CHANCE, HELD_GAIN = 0.01, 8.0
"""Now and then a machine is busy: with that chance all is later, by that factor."""
BRIGHT_SHARE: Final = 0.2
"""Share of cameras in good light, whose noise an encoder leaves out."""
BRIGHT_NOISE, DIM_NOISE = (0, 3), (16, 32)
"""Range of the noise in good light and in bad: between the darkest and the lightest, of 255.
With weaker noise an encoder made frames that were too short for the rate it may have."""
MOTION: Final = (5.0, 30.0)
"""Range of how far a person moves when he moves, in pixels of a small picture."""
TALK: Final = (0.2, 0.8)
"""Range of the share of time in which he talks."""
BOUND_SHARE: Final = 0.1
"""Share of applications that bound the rate of the video."""
BOUND_BIT_S: Final = (500_000, 1_200_000)
"""Range of such bounds."""
MOST_BIT_S: Final = 2_500_000
"""Highest rate of a video: a browser's own limit for pictures of 1280 × 720."""

GESTURE_S: Final = (0.3, 3.0)
"""Range of the length of a gesture, and of the rest after it."""
LIGHT: Final = 16
LIGHT_S: Final = (2.0, 12.0)
"""How much brighter a picture may become, and the range of how long that stays: clouds pass, and
a camera chooses its exposure anew. An encoder then makes some large frames."""
OBJECTS: Final = 60
"""Things in the room."""
GREY: Final = (24, 200)
"""Range of the brightness of things; noise is added to it."""
SKIN, CLOTH, DARK = 150, 70, 40


@dataclass(frozen=True, slots=True)
class Look:
    """What one end of a call shows, and how it sounds."""

    width: int
    height: int
    frames_per_s: float
    noise: int
    """The largest number that noise adds to a pixel."""
    motion: float
    """How far a person moves, in pixels of a small picture."""
    talk: float
    """The share of time in which he talks."""
    late_s: float
    """How late pictures and sound come on average."""
    bound_bit_s: int
    """The application's own bound on the video; 0 leaves it to the browser."""


def look(chance: Callable[[], float], *, may_be_large: bool) -> Look:
    """Return one of the looks that people have.

    `chance` returns random numbers from 0 up to 1.
    """
    width, height = LARGE if chance() < LARGE_SHARE and may_be_large else SMALL
    nominal = FRAMES_PER_S[int(chance() * len(FRAMES_PER_S))]
    frames_per_s = nominal * (1 + CLOCK_SPREAD * (2 * chance() - 1))
    least, most = BRIGHT_NOISE if chance() < BRIGHT_SHARE else DIM_NOISE
    noise = least + int(chance() * (most - least + 1))
    motion = MOTION[0] + chance() * (MOTION[1] - MOTION[0])
    talk = TALK[0] + chance() * (TALK[1] - TALK[0])
    late_s = LATE_S[0] + chance() * (LATE_S[1] - LATE_S[0])
    is_bound = chance() < BOUND_SHARE
    bound_bit_s = int(BOUND_BIT_S[0] + chance() * (BOUND_BIT_S[1] - BOUND_BIT_S[0]))
    return Look(
        width=width,
        height=height,
        frames_per_s=frames_per_s,
        noise=noise,
        motion=motion,
        talk=talk,
        late_s=late_s,
        bound_bit_s=bound_bit_s if is_bound else 0,
    )


def lateness_s(shown: Look, chance: Callable[[], float]) -> float:
    """Return how late the next picture or piece of sound comes."""
    gain = HELD_GAIN if chance() < HELD_CHANCE else 1.0
    return -shown.late_s * gain * math.log(1 - chance())


class Scene:
    """Makes one picture after the other."""

    def __init__(self, shown: Look, chance: Callable[[], float]) -> None:
        """`chance` returns random numbers from 0 up to 1."""
        self._look = shown
        self._chance = chance
        self._count = 0
        """Pictures made so far."""
        self._gesture = 0.0
        """How far the person moves now."""
        self._left = 0
        """Pictures until that changes."""
        self._light = bytes(range(256))
        """What each brightness is in the present light."""
        self._light_left = 0
        """Pictures until that changes."""
        self._scale = shown.height / SMALL[1]
        self._room = self._furnish()
        self._colours = bytes([128]) * (shown.width * shown.height // 2)
        self._grain = self._speckle()
        # Half the width of each row of the head, which is an ellipse.
        tall, wide = int(shown.height * 0.27), shown.height * 0.2
        self._head = [int(wide * math.sqrt(1 - (y / tall) ** 2)) for y in range(-tall, tall + 1)]
        self._skin, self._cloth, self._dark = (
            bytes([grey]) * shown.width for grey in (SKIN, CLOTH, DARK)
        )

    def _furnish(self) -> bytes:
        width, height = self._look.width, self._look.height
        room = bytearray([100]) * (width * height)
        for _ in range(OBJECTS):
            left, top, wide, tall = (
                int(self._chance() * size) for size in (width, height, width * 0.3, height * 0.4)
            )
            grey = bytes([GREY[0] + int(self._chance() * (GREY[1] - GREY[0]))])
            wide = min(wide, width - left)
            for y in range(top, min(height, top + tall)):
                room[y * width + left : y * width + left + wide] = grey * wide
        return bytes(room)

    def _speckle(self) -> bytes:
        """Return noise for more than one picture: each takes a part at a random place."""
        if not self._look.noise:
            return b""
        count = self._look.width * self._look.height
        levels = self._look.noise + 1
        return bytes(int(self._chance() * levels) for _ in range(count + count // 2))

    def next_picture(self) -> bytes:
        """Return the next picture, as I420: brightness, then both colours."""
        width, height = self._look.width, self._look.height
        plane = bytearray(self._room)
        self._draw_person(plane)
        plane = plane.translate(self._next_light())
        if self._grain:
            size = width * height
            at = int(self._chance() * (len(self._grain) - size))
            # No sum of two bytes is larger than 255, so two long numbers add up all pixels.
            noise = int.from_bytes(memoryview(self._grain)[at : at + size], "little")
            plane[:] = (int.from_bytes(plane, "little") + noise).to_bytes(size, "little")
        self._count += 1
        return bytes(plane) + self._colours

    def _next_light(self) -> bytes:
        self._light_left -= 1
        if self._light_left < 0:
            more = int(self._chance() * LIGHT)
            self._light = bytes(min(255, grey + more) for grey in range(256))
            stays_s = LIGHT_S[0] + self._chance() * (LIGHT_S[1] - LIGHT_S[0])
            self._light_left = int(stays_s * self._look.frames_per_s)
        return self._light

    def _draw_person(self, plane: bytearray) -> None:
        width, height, scale = self._look.width, self._look.height, self._scale
        self._left -= 1
        if self._left < 0:
            self._gesture = 0.0 if self._gesture else self._look.motion * scale
            rest_s = GESTURE_S[0] + self._chance() * (GESTURE_S[1] - GESTURE_S[0])
            self._left = int(rest_s * self._look.frames_per_s)
        time_s = self._count / self._look.frames_per_s
        sway = 8 * scale * math.sin(1.1 * time_s) + self._gesture * math.sin(6 * time_s)
        x = int(width / 2 + sway)
        y = int(height * 0.45 + 0.4 * self._gesture * math.sin(3.2 * time_s))
        shoulder = int(height * 0.35)
        for row in range(y + int(height * 0.22), height):
            self._fill(plane, row, x - shoulder, 2 * shoulder, self._cloth)
        for offset, half in enumerate(self._head, y - len(self._head) // 2):
            self._fill(plane, offset, x - half, 2 * half, self._skin)
        eye, mouth = int(10 * scale), int(28 * scale)
        for row in range(int(6 * scale)):
            for side in (-1, 1):
                left = x + side * int(height * 0.08) - eye // 2
                self._fill(plane, y - int(12 * scale) + row, left, eye, self._dark)
        for row in range(int((3 + 6 * abs(math.sin(11 * time_s))) * scale)):
            self._fill(plane, y + int(height * 0.12) + row, x - mouth // 2, mouth, self._dark)
        if self._gesture:
            hand = int(60 * scale)
            left = int(x + height * 0.4 * math.sin(7.7 * time_s))
            for row in range(hand):
                self._fill(plane, y + int(height * 0.2) + row, left, hand, self._skin)

    def _fill(self, plane: bytearray, row: int, left: int, wide: int, colour: bytes) -> None:
        """Draw a part of a row, or what of it is inside the picture."""
        width, height = self._look.width, self._look.height
        right = min(width, left + wide)
        left = max(0, left)
        if 0 <= row < height and left < right:
            plane[row * width + left : row * width + right] = colour[: right - left]
