"""How old a link through a volunteer gets: a random age, because no two calls are as long.

A page's volunteers come and go by themselves. A program would hold a link for days, and links that
all end at one age would tell it from people. A young end costs one more flow that a censor sees at
the volunteer's address, so links are long: docs/THREAT-MODEL.md has the arithmetic.
"""

from __future__ import annotations

import math
from typing import Final

MEDIAN_S: Final = 4 * 3600.0
DEVIATION: Final = 0.6
"""Standard deviation of the age's logarithm, as of people's calls."""
LEAST_S: Final = 1800.0
MOST_S: Final = 12 * 3600.0


def link_age_s(normal: float) -> float:
    """Return the age for `normal`, a random number of the standard normal distribution."""
    return min(MOST_S, max(LEAST_S, MEDIAN_S * math.exp(DEVIATION * normal)))
