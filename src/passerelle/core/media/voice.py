"""A sound like somebody's voice in a room, for calls in which nobody speaks.

Opus makes packets as long as the sound is rich: a steady noise would show by packets of one length.
So there are syllables, gaps between them, and pauses of some seconds in which only the room is
heard. The room's noise changes all the time, too. `widget/src/core/traffic/voice.ts` is the page's
half. Nobody ever listens.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Final

SAMPLES_PER_S: Final = 48_000
BLOCK_S: Final = 0.02
"""Length of one block: one packet of Opus."""
BLOCK: Final = 960
"""Samples in one block."""
SYLLABLE_BLOCKS: Final = 6
SYLLABLES: Final = 16
"""Different ones: each costs 60 kB and 2 ms."""
LOUD: Final = 6_000
QUIET: Final = (3, 40)
"""Amplitudes of a syllable, and of the room from a still one to a loud one, of 32,767."""
LOUD_SPREAD: Final = (0.5, 1.5)
"""How loud voices are, as shares of `LOUD`."""
LOWEST_HZ, SPAN_HZ = 250, 2_250
"""Range of the frequencies around which a sound is."""
SHARP: Final = (0.93, 0.99)
"""Range of the radius of a resonator's poles: a hiss is wide, a vowel is narrow."""
ATTACK: Final = 2
"""A syllable swells in that part of its length, and then fades."""
ROOMS: Final = 8
"""Different noises of the room: a single one, again and again, would show by its one length."""
GAP: Final = 0.15
"""Share of syllables left out while somebody speaks."""
LEAST_TURN_S, TURN_SPAN_S = 1.0, 11.0
"""Speech takes turns of so many seconds, times its share of the time; pauses take the rest."""


class Voice:
    """Makes sound block after block."""

    def __init__(self, chance: Callable[[], float], talk: float) -> None:
        """`chance` returns random numbers from 0 up to 1; `talk` is the share of speech in time."""
        self._chance = chance
        self._talk = talk
        self._loud = LOUD * (LOUD_SPREAD[0] + (LOUD_SPREAD[1] - LOUD_SPREAD[0]) * chance())
        self._syllables = [self._syllable() for _ in range(SYLLABLES)]
        quiet = QUIET[0] * (QUIET[1] / QUIET[0]) ** chance()
        self._rooms = [self._hum(quiet) for _ in range(ROOMS)]
        self._speaks = False
        self._left = 0
        """Syllables until speech and pause take turns."""
        self._sound = self._rooms[0]
        self._at = 0

    def _syllable(self) -> array[int]:
        """Return a sound that swells and fades."""
        chance = self._chance
        count = BLOCK * SYLLABLE_BLOCKS
        sound = self._hum(self._loud * (0.2 + 0.8 * chance()))
        for at in range(count):
            swell = min(1.0, ATTACK * at / count) * (1 - at / count)
            sound[at] = int(swell * sound[at])
        return sound

    def _hum(self, loud: float) -> array[int]:
        """Return noise around one frequency (a resonator of two poles), of a syllable's length."""
        chance = self._chance
        angle = 2 * math.pi * (LOWEST_HZ + SPAN_HZ * chance()) / SAMPLES_PER_S
        radius = SHARP[0] + (SHARP[1] - SHARP[0]) * chance()
        turn, decay = 2 * radius * math.cos(angle), radius**2
        loud *= 1 - decay
        sound = array("h")
        last = before = 0.0
        for _ in range(BLOCK * SYLLABLE_BLOCKS):
            last, before = 2 * chance() - 1 + turn * last - decay * before, last
            sound.append(max(-32_000, min(32_000, int(loud * last))))
        return sound

    def next_block(self) -> bytes:
        """Return the next block: 16-bit samples in the machine's order."""
        if self._at == 0:
            self._sound = self._next_sound()
        block = self._sound[self._at : self._at + BLOCK].tobytes()
        self._at = (self._at + BLOCK) % len(self._sound)
        return block

    def _next_sound(self) -> array[int]:
        chance = self._chance
        if self._left == 0:
            self._speaks = not self._speaks
            share = self._talk if self._speaks else 1 - self._talk
            turn_s = share * (LEAST_TURN_S + TURN_SPAN_S * chance())
            self._left = math.ceil(turn_s / BLOCK_S / SYLLABLE_BLOCKS)
        self._left -= 1
        if not self._speaks or chance() < GAP:
            return self._rooms[int(chance() * ROOMS)]
        return self._syllables[int(chance() * SYLLABLES)]
