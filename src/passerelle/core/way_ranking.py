"""Which way to a broker is tried first, and how long before the next one is tried beside it.

Remembers, for each way, how it went. Pure: times are Unix seconds, because they outlive a run of
the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

REST_S: Final = 60.0
"""A way that failed is left alone for so long while there are others: repeated connections to one
name within a minute have been used to recognise such programs."""
FORGET_S: Final = 86_400.0
"""Failures count for so long: what was blocked may be open again, or it was our own network."""
PATIENCE_S: Final = 2.0
"""The next way is tried beside one that is silent for so long, if nothing is known of it."""
_LEAST_S, _MOST_S = 1.0, 4.0
_SMOOTHING: Final = 0.3


@dataclass(frozen=True, slots=True)
class WayRecord:
    """How one way went."""

    failures: int = 0
    """In a row, up to now."""
    failed_s: float = 0.0
    """When it last failed."""
    latency_s: float | None = None
    """How long an exchange takes, smoothed; None if none ever succeeded."""


class WayRanking:
    """The records of all ways, each by a key."""

    def __init__(self, records: Mapping[str, WayRecord] | None = None) -> None:
        self._records = dict(records or {})

    def records(self, keys: Iterable[str]) -> dict[str, WayRecord]:
        """Return what is known of the ways called `keys`, to be kept."""
        return {key: self._records[key] for key in keys if key in self._records}

    def order(self, keys: Sequence[str], now_s: float) -> list[str]:
        """Return `keys` in the order to try them.

        Ways that work come first, the quickest at the head; then those never tried, in the given
        order; then those that failed, the less often the better. One that failed within the last
        minute comes after all others.
        """
        places = {key: place for place, key in enumerate(keys)}

        def rank(key: str) -> tuple[bool, int, bool, float, int]:
            record = self._records.get(key, WayRecord())
            age_s = abs(now_s - record.failed_s)  # clocks are set back, too
            failures = record.failures if age_s < FORGET_S else 0
            resting = failures > 0 and age_s < REST_S
            latency_s = record.latency_s
            return resting, failures, latency_s is None, latency_s or 0.0, places[key]

        return sorted(places, key=rank)

    def patience_s(self, key: str) -> float:
        """Return how long to wait for this way before the next one is tried beside it."""
        latency_s = self._records.get(key, WayRecord()).latency_s
        return PATIENCE_S if latency_s is None else min(max(_LEAST_S, 2 * latency_s), _MOST_S)

    def succeeded(self, key: str, latency_s: float) -> None:
        """Remember that an exchange took `latency_s`."""
        before = self._records.get(key, WayRecord()).latency_s
        if before is not None:
            latency_s = before + _SMOOTHING * (latency_s - before)
        self._records[key] = WayRecord(latency_s=latency_s)

    def worked(self, key: str) -> None:
        """Remember a success whose duration says nothing about the way."""
        record = self._records.get(key, WayRecord())
        self._records[key] = WayRecord(latency_s=record.latency_s or PATIENCE_S)

    def failed(self, key: str, now_s: float) -> None:
        """Remember that it did not work."""
        record = self._records.get(key, WayRecord())
        self._records[key] = replace(record, failures=record.failures + 1, failed_s=now_s)
