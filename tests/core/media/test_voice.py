from __future__ import annotations

import random
from array import array

from passerelle.core.media.voice import BLOCK, QUIET, ROOMS, SYLLABLE_BLOCKS, Voice

MINUTE = 3_000


def test_somebody_speaks_and_is_silent_by_turns() -> None:
    """A minute has blocks of speech, loud and less loud, and blocks in which the room is heard."""
    voice = Voice(random.Random(3).random, 0.5)
    blocks = [array("h", voice.next_block()) for _ in range(MINUTE)]
    assert {len(block) for block in blocks} == {BLOCK}
    peaks = [max(map(abs, block)) for block in blocks]
    quiet = sum(peak <= QUIET[1] for peak in peaks)
    assert 0.25 < quiet / len(peaks) < 0.8
    assert max(peaks) > 2_000
    assert len({peak // 500 for peak in peaks}) > 5


def test_no_two_voices_are_alike() -> None:
    """Each link has a sound of its own."""
    one, other = (Voice(random.Random(seed).random, 0.5) for seed in (1, 2))
    assert [one.next_block() for _ in range(6)] != [other.next_block() for _ in range(6)]


def test_some_people_talk_more_than_others() -> None:
    """The share of speech is what was asked for, less the gaps between syllables."""
    loud = []
    for talk in (0.2, 0.8):
        voice = Voice(random.Random(5).random, talk)
        peaks = [max(map(abs, array("h", voice.next_block()))) for _ in range(5 * MINUTE)]
        loud.append(sum(peak > QUIET[1] for peak in peaks) / len(peaks))
    assert loud[0] < 0.3
    assert loud[1] > 0.5


def test_a_silent_room_is_no_sound_again_and_again() -> None:
    """The noises of the pauses are several."""
    voice = Voice(random.Random(7).random, 0.1)
    starts = [voice.next_block() for _ in range(MINUTE)][::SYLLABLE_BLOCKS]
    assert len({block for block in starts if max(map(abs, array("h", block))) <= QUIET[1]}) == ROOMS
