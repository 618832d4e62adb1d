"""How long links last that look like video calls.

What such a link shows is in `core.media.scene`, and how it carries messages in
`core.media.callframe`. People end their calls after minutes, so these links end as well, and the
session moves on to others.
"""

from __future__ import annotations

import math
from typing import Final

AGE_MEDIAN_S: Final = 420.0
AGE_SPREAD: Final = 0.6
"""Median age of a link, and the standard deviation of its logarithm."""
AGE_LEAST_S, AGE_MOST_S = 90.0, 3600.0


def link_age_s(chance: float) -> float:
    """Return after how long a link ends; `chance` is of the standard normal distribution."""
    age_s = AGE_MEDIAN_S * math.exp(AGE_SPREAD * chance)
    return min(AGE_MOST_S, max(AGE_LEAST_S, age_s))
