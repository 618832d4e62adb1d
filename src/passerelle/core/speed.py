"""How fast a volunteer's connection is, as a test of its rate shows: measured, and in a word.

What a reader downloads comes to a volunteer from the exit and goes out again, so the slower way
counts. `speed.ts` and `ratemeter.ts` of the widget's core do the same for a page.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from passerelle import limits

VIDEO_MBIT: Final = 3.0
"""A film in a small window takes about so much."""
PAGES_MBIT: Final = 0.2
"""A story of 100 KB takes four seconds. Through less, readers give up, and the broker would have
given them another volunteer."""
MOST_MBIT: Final = 1000.0
"""No test of so few bytes tells more than that."""
LEAST_BYTES: Final = 64 * limits.KIB
"""A test of less tells nothing."""
_BYTES_PER_MBIT: Final = 125_000
_SHORTEST_S: Final = 0.001


class Speed(enum.Enum):
    """What a connection is good for."""

    VIDEO = "video"
    PAGES = "pages"
    SLOW = "slow"
    """It helps nobody."""


def speed(down_mbit: float, up_mbit: float) -> Speed:
    """Return what a connection with these rates is good for."""
    slower = min(down_mbit, up_mbit)
    if slower >= VIDEO_MBIT:
        return Speed.VIDEO
    return Speed.PAGES if slower >= PAGES_MBIT else Speed.SLOW


def bytes_each_way(day_bytes: int | None, month_bytes: int | None, mbit: float) -> int:
    """Return how many bytes a test may move each way; 0 if bounds leave no room for one.

    It takes a fiftieth of what is given in a day or a month at most, and each way no more than a
    second of the rate that is given. None stands for no bound, as infinity does for `mbit`.
    """
    bounds = [float(limits.RATE_TEST_BYTES), mbit * _BYTES_PER_MBIT]
    bounds += [given / 100 for given in (day_bytes, month_bytes) if given is not None]
    most = math.floor(min(bounds))
    return most if most >= LEAST_BYTES else 0


class RateMeter:
    """Measures the rate at which bytes arrive. `now` is monotonic seconds.

    The rate is that of the second half of the bytes: the first ones wait for a round trip, and for
    TCP to find out how much the line carries.
    """

    def __init__(self, now: float) -> None:
        self._seen: list[tuple[float, int]] = [(now, 0)]

    @property
    def bytes(self) -> int:
        """Bytes that have arrived."""
        return self._seen[-1][1]

    def take(self, total: int, now: float) -> None:
        """Take note that `total` bytes have arrived in all, which only grow."""
        if total > self.bytes:
            self._seen.append((now, total))

    def mbit(self, now: float) -> float | None:
        """Return the rate in Mbit/s, with one digit, when it ended at `now`; None for no bytes."""
        if not self.bytes:
            return None
        # With one message there is no first half, and all of the time counts.
        halfway = self._seen[:-1]
        since, before = next((each for each in halfway if each[1] * 2 >= self.bytes), halfway[0])
        took_s = max(_SHORTEST_S, now - since)
        return one_digit(min(MOST_MBIT, (self.bytes - before) / took_s / _BYTES_PER_MBIT))


def one_digit(value: float) -> float:
    """Return a positive `value` with one significant digit: more would not be true tomorrow."""
    return float(f"{value:.0e}")
