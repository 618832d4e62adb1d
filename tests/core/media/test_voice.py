from __future__ import annotations

import random
from array import array

from passerelle.core.media.voice import BLOCK, QUIET, Voice


def test_somebody_speaks_and_is_silent_by_turns() -> None:
    """A minute has blocks of speech, loud and less loud, and blocks in which the room is heard."""
    voice = Voice(random.Random(3).random)
    blocks = [array("h", voice.next_block()) for _ in range(3_000)]
    assert {len(block) for block in blocks} == {BLOCK}
    peaks = [max(map(abs, block)) for block in blocks]
    quiet = sum(peak <= QUIET for peak in peaks)
    assert 0.25 < quiet / len(peaks) < 0.8
    assert max(peaks) > 2_000
    assert len({peak // 500 for peak in peaks}) > 5


def test_no_two_voices_are_alike() -> None:
    """Each link has a sound of its own."""
    one, other = Voice(random.Random(1).random), Voice(random.Random(2).random)
    assert [one.next_block() for _ in range(6)] != [other.next_block() for _ in range(6)]
