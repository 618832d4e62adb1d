from __future__ import annotations

import dataclasses
import random
import statistics

from passerelle.core.media import scene
from passerelle.core.media.scene import SMALL, Look, Scene, lateness_s, look

LOOK = Look(64, 36, 30, noise=20, motion=20, talk=0.5, late_s=0.003, bound_bit_s=0)


def looks(count: int, *, may_be_large: bool) -> list[Look]:
    chance = random.Random(3).random
    return [look(chance, may_be_large=may_be_large) for _ in range(count)]


def test_people_do_not_look_alike() -> None:
    """Sizes, rhythms, light and applications differ from link to link, within their bounds."""
    found = looks(400, may_be_large=True)
    assert {(each.width, each.height) for each in found} == {scene.SMALL, scene.LARGE}
    assert {round(each.frames_per_s / 5) * 5 for each in found} == set(scene.FRAMES_PER_S)
    assert min(each.noise for each in found) < scene.BRIGHT_NOISE[1] < scene.DIM_NOISE[0]
    assert max(each.noise for each in found) == scene.DIM_NOISE[1]
    bounds = [each.bound_bit_s for each in found if each.bound_bit_s]
    assert 0 < len(bounds) < len(found) / 2
    assert scene.BOUND_BIT_S[0] <= min(bounds) <= max(bounds) <= scene.BOUND_BIT_S[1]
    assert all(scene.TALK[0] <= each.talk <= scene.TALK[1] for each in found)


def test_a_reader_is_spared_large_pictures() -> None:
    assert {(each.width, each.height) for each in looks(100, may_be_large=False)} == {SMALL}


def test_pictures_are_whole_and_no_two_are_alike() -> None:
    """A picture has brightness and both colours, and something moves in each, with or without
    noise."""
    for noise in (0, 20):
        shown = Scene(dataclasses.replace(LOOK, noise=noise), random.Random(1).random)
        pictures = [shown.next_picture() for _ in range(90)]
        assert {len(each) for each in pictures} == {64 * 36 * 3 // 2}
        assert len(set(pictures)) > 40
        assert max(max(each) for each in pictures) < 256 - 4


def test_noise_is_as_strong_as_the_light_is_bad() -> None:
    """Two pictures that follow each other differ by about what noise does."""

    def difference(noise: int) -> float:
        shown = Scene(dataclasses.replace(LOOK, noise=noise, motion=0), random.Random(1).random)
        one, other = shown.next_picture(), shown.next_picture()
        return statistics.fmean(abs(a - b) for a, b in zip(one, other, strict=True))

    assert difference(0) < 1
    assert 2 < difference(10) < difference(30) / 2


def test_most_pictures_are_a_little_late_and_few_are_much() -> None:
    chance = random.Random(2).random
    found = sorted(lateness_s(LOOK, chance) for _ in range(4000))
    assert found[0] >= 0
    assert LOOK.late_s / 2 < found[2000] < LOOK.late_s
    assert found[-4] > 6 * LOOK.late_s
