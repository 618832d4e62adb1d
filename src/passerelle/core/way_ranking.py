"""The order in which ways to a broker are tried, from how each one went before.

A way is one method of reaching one broker. Times are Unix seconds, because the records are kept
from one run of the program to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

REST_S: Final = 60.0
"""How long a way that failed comes after all others: censors have recognised programs like this
one by repeated connections to one name within a minute."""
FORGET_S: Final = 86_400.0
"""How long failures count. After that the way may be open again, or the fault was in our own
network."""
PATIENCE_S: Final = 2.0
"""How long a way that never succeeded may be silent before the next one is tried beside it."""
_LEAST_S, _MOST_S = 1.0, 4.0
_SMOOTHING: Final = 0.3


@dataclass(frozen=True, slots=True)
class WayRecord:
    """How the exchanges over one way went."""

    failures: int = 0
    """Failures since the last success."""
    failed_s: float = 0.0
    """The time of the last failure."""
    latency_s: float | None = None
    """How long an exchange takes, smoothed; None if none ever succeeded."""


class WayRanking:
    """The records of all ways. The caller chooses a key for each way."""

    def __init__(self, records: Mapping[str, WayRecord] | None = None) -> None:
        self._records = dict(records or {})

    def records(self, keys: Iterable[str]) -> dict[str, WayRecord]:
        """Return the records of those of `keys` that have one, for storing."""
        return {key: self._records[key] for key in keys if key in self._records}

    def order(self, keys: Sequence[str], now_s: float) -> list[str]:
        """Return `keys` in the order to try them.

        Ways that work come first, the quickest before the others. Ways never tried follow, in the
        given order, then ways that failed, those with fewer failures first. A way that failed
        within the last minute comes after all others.
        """
        places = {key: place for place, key in enumerate(keys)}

        def rank(key: str) -> tuple[bool, int, bool, float, int]:
            record = self._records.get(key, WayRecord())
            age_s = abs(now_s - record.failed_s)  # a clock may have been set back
            failures = record.failures if age_s < FORGET_S else 0
            resting = failures > 0 and age_s < REST_S
            latency_s = record.latency_s
            return resting, failures, latency_s is None, latency_s or 0.0, places[key]

        return sorted(places, key=rank)

    def patience_s(self, key: str) -> float:
        """Return how many seconds to wait for this way before the next one is tried beside it."""
        latency_s = self._records.get(key, WayRecord()).latency_s
        return PATIENCE_S if latency_s is None else min(max(_LEAST_S, 2 * latency_s), _MOST_S)

    def succeeded(self, key: str, latency_s: float) -> None:
        """Record an exchange that succeeded after `latency_s`."""
        before = self._records.get(key, WayRecord()).latency_s
        if before is not None:
            latency_s = before + _SMOOTHING * (latency_s - before)
        self._records[key] = WayRecord(latency_s=latency_s)

    def worked(self, key: str) -> None:
        """Record a success whose duration says nothing about the way."""
        record = self._records.get(key, WayRecord())
        self._records[key] = WayRecord(latency_s=record.latency_s or PATIENCE_S)

    def failed(self, key: str, now_s: float) -> None:
        """Record a failure at `now_s`."""
        record = self._records.get(key, WayRecord())
        self._records[key] = replace(record, failures=record.failures + 1, failed_s=now_s)
