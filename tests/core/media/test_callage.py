from __future__ import annotations

import random

import pytest

from passerelle.core.media import callage as call


def test_links_end_after_minutes() -> None:
    """Ages are spread around their median and never too short to be of use."""
    chance = random.Random(1)
    ages = sorted(call.link_age_s(chance.gauss(0, 1)) for _ in range(2000))
    assert ages[1000] == pytest.approx(call.AGE_MEDIAN_S, rel=0.1)
    assert ages[0] >= call.AGE_LEAST_S
    assert ages[-1] <= call.AGE_MOST_S
    assert ages[200] * 2 < ages[1800]
