"""What part of a path's delay is its length, what is jitter, and what is a queue.

Mobile networks and Wi-Fi hold each packet back for a time of its own, tens of milliseconds, and
keep the order. Packets that follow each other closely wait for the slowest one before them, so a
busy sender sees a delay that stands like a queue. A window that shrank to drain it would shrink for
ever, because no window makes jitter shorter.

Jitter jumps, whereas a queue grows and drains steadily. The delay is looked at every 10 ms. The
jump of a look is its distance from the middle of the looks before and after it. Each packet of a
burst finds a longer queue than the one before it, so the queue that the burst alone makes is taken
off first. While packets are few, the median jump is about a quarter of the jitter, and the usual
delay is then taken for jitter. Dense packets hide the jumps, so what few packets showed holds for
`JITTER_AGE_S`. By then the shortest delay that is remembered comes from dense packets, and contains
most of the jitter itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

LOOK_S = 0.010
"""Time between two looks. A look's delay is the shortest since the last look."""
LOOKS_APART_S = 0.1
"""Looks farther apart are not compared, because a queue changes as much in that time."""
JUMPS = 100
"""Most jumps that the median is taken of. The median forgives a busy machine that stalls now and
then."""
JUMPS_LEAST = 8
"""Fewest jumps that the median is taken of."""
JUMP_LEAST_S = 0.005
"""A smaller median jump is no jitter. In the laboratory it was 0 to 4 ms without jitter, also when
TCP shared the path, and 7 to 16 ms where few packets met a jitter of 60 or 100 ms."""
PACKET_BYTES = 1200
"""A median jump shorter than the time that a packet of this size takes on the path is no jitter."""
JITTER_JUMPS = 8
"""The jitter is at most so many times the median jump: 4 times where each look finds another
delay, evenly drawn, and more where several looks find the same."""
DELAYS = 200
"""Looks of which the usual delay is taken."""
USUAL_SHARE = 0.8
"""The usual delay is this quantile of the looks' delays."""
BURST_GAP_S = 0.005
"""A longer pause between two packets ends a burst."""
BUSY_SHARE = 0.8
"""The rate at which a burst drains is this quantile of the rates seen in single looks. The mean
rate would explain too much where the sender often pauses."""
JITTER_AGE_S = 30.0
"""How long jitter is believed that does not show again."""
JITTER_MOST_S = 0.2
"""Most that is taken for jitter, so that a queue cannot pass for it without end."""


class Least:
    """The smallest of the values of the last `age_s` seconds.

    Values are forgotten in steps of a quarter of `age_s`. Without any, `value` is infinity.
    """

    def __init__(self, age_s: float) -> None:
        self._step_s = age_s / 4
        self._steps: deque[float] = deque(maxlen=4)
        self._turn_s = float("-inf")
        self.value = float("inf")

    def add(self, value: float, now: float) -> None:
        """Take a value that was seen at `now`."""
        if now >= self._turn_s:
            self._turn_s = now + self._step_s
            self._steps.append(value)
            self.value = min(self._steps)
        elif value < self._steps[-1]:
            self._steps[-1] = value
            self.value = min(self.value, value)


@dataclass(slots=True)
class _Look:
    """What was seen since the last look."""

    began_s: float
    size: int = 0
    delay_s: float = math.inf
    """The shortest delay."""
    rest_s: float = math.inf
    """The shortest delay without the queue that this sender's own burst makes."""


class PathDelay:
    """The delays of one direction of a path, or of its round trip.

    Call `add` for each packet, or for those that one acknowledgement tells of, and `update` every
    few milliseconds or after each `add`.
    """

    def __init__(self, least_age_s: float) -> None:
        """Begin with nothing known. A shortest delay is believed for `least_age_s`."""
        self.queue_s = 0.0
        """The delay at the last update, without the shortest one and without jitter."""
        self.jitter_s = 0.0
        """How much longer than the shortest a delay is without any queue; 0 to `JITTER_MOST_S`."""
        self._least = Least(least_age_s)
        self._jittery = Least(JITTER_AGE_S)
        """The longest delay that jitter explains, negated; infinity without jitter."""
        self._delay_s = math.inf
        """The shortest delay since the last update."""
        self._sent_s = -math.inf
        self._burst_s = 0.0
        """What is left of the queue of the current burst, as time at `_rate`."""
        self._rate = math.inf
        """The rate at which a burst drains, in bytes per second; infinity until known."""
        self._look = _Look(-math.inf)
        self._looks: deque[_Look] = deque(maxlen=3)
        self._rates: deque[float] = deque(maxlen=JUMPS)
        self._jumps: deque[float] = deque(maxlen=JUMPS)
        self._delays: deque[float] = deque(maxlen=DELAYS)

    @property
    def least_s(self) -> float:
        """The shortest delay; infinity until one is known."""
        return self._least.value

    def add(self, size: int, sent_s: float, arrived_s: float) -> None:
        """Take `size` bytes, in the order of arrival. The two times may be of different clocks."""
        gap_s = sent_s - self._sent_s
        self._sent_s = max(self._sent_s, sent_s)
        waiting_s = 0.0 if gap_s > BURST_GAP_S else max(0.0, self._burst_s - max(0.0, gap_s))
        self._burst_s = waiting_s + size / self._rate
        delay_s = arrived_s - sent_s
        rest_s = delay_s - min(waiting_s, max(0.0, delay_s - self.least_s))
        look = self._look
        look.size += size
        look.delay_s = min(look.delay_s, delay_s)
        look.rest_s = min(look.rest_s, rest_s)
        self._delay_s = min(self._delay_s, delay_s)

    def update(self, now: float) -> bool:
        """Judge what came since the last update; return whether there was anything."""
        delay_s, self._delay_s = self._delay_s, math.inf
        if delay_s == math.inf:
            return False
        self._least.add(delay_s, now)
        if now - self._look.began_s >= LOOK_S:
            self._end_look(now)
        self.jitter_s = min(max(0.0, -self._jittery.value - self.least_s), JITTER_MOST_S)
        self.queue_s = max(0.0, delay_s - self.least_s - self.jitter_s)
        return True

    def _end_look(self, now: float) -> None:
        ended, self._look = self._look, _Look(now)
        length_s = now - ended.began_s
        self._delays.append(ended.delay_s)
        self._rates.append(ended.size / length_s)
        self._rate = _quantile(self._rates, BUSY_SHARE) or math.inf
        if length_s > LOOKS_APART_S:
            self._looks.clear()
        self._looks.append(ended)
        if len(self._looks) == 3:
            before, middle, after = self._looks
            jump_s = abs(middle.delay_s - (before.delay_s + after.delay_s) / 2)
            rest_s = abs(middle.rest_s - (before.rest_s + after.rest_s) / 2)
            self._jumps.append(min(jump_s, rest_s))
        self._jittery.add(-self._explained_s(), now)

    def _explained_s(self) -> float:
        """Return the longest delay that jitter explains now; minus infinity without jitter."""
        if len(self._jumps) < JUMPS_LEAST:
            return -math.inf
        jump_s = median(self._jumps)
        if jump_s < max(JUMP_LEAST_S, PACKET_BYTES / self._rate):
            return -math.inf
        usual_s = _quantile(self._delays, USUAL_SHARE)
        return min(usual_s, self.least_s + JITTER_JUMPS * jump_s)


def _quantile(values: Collection[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]
