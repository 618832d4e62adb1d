"""What one crowd of volunteers does, counted by the hour and kept for a week.

Nothing here says who came or who was helped. The counts are exact, so they are for this process
only: whoever shows or stores them rounds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from passerelle import serverlimits

HOUR_S: Final = 3600
DAY_HOURS: Final = 24
COUNTED_DAYS: Final = serverlimits.COUNTED_HOURS // DAY_HOURS


@dataclass(slots=True)
class HourCounts:
    """The counts of one hour."""

    volunteers: int = 0
    """Most volunteers that were connected at once."""
    helped: int = 0
    """Readers' links that ended in this hour and had carried something."""
    carried_bytes: int = 0
    """Bytes of these links, both directions together."""


@dataclass(slots=True)
class Counted:
    """What was counted at one moment, at one broker or at several."""

    volunteers: int
    """Volunteers that are connected now."""
    hours: dict[int, HourCounts]
    """By the number of the hour, the oldest first."""
    countries: Counter[str | None]
    """Readers that were helped in all these days, by country."""

    def add(self, other: Counted) -> None:
        """Add what another broker counted in the same week, which `hours` ends.

        The most volunteers of each broker are added up, although each may have had its most at
        another moment of the hour.
        """
        self.volunteers += other.volunteers
        newest = max(self.hours)
        for hour, counts in other.hours.items():
            if newest - serverlimits.COUNTED_HOURS < hour <= newest:
                own = self.hours.setdefault(hour, HourCounts())
                own.volunteers += counts.volunteers
                own.helped += counts.helped
                own.carried_bytes += counts.carried_bytes
        self.hours = dict(sorted(self.hours.items()))
        self.countries.update(other.countries)


class Tally:
    """Counts volunteers, the links through them and the countries of those links' readers.

    `now_s` is Unix time. An hour is named by its number since 1970, a day too. A clock that is set
    back or far ahead loses hours, and never keeps more than `serverlimits.COUNTED_HOURS`.
    """

    def __init__(
        self,
        hours: Mapping[int, HourCounts] | None = None,
        countries: Mapping[int, Counter[str | None]] | None = None,
    ) -> None:
        """Go on from what was counted before, `hours` by hour and `countries` by day."""
        self.volunteers = 0
        """Volunteers that are connected now."""
        self._hours = dict(hours or {})
        self._countries = dict(countries or {})
        self._hour: int | None = None
        """The hour of the latest event."""

    def joined(self, now_s: float) -> None:
        """Count a volunteer that has connected."""
        hour = self._at(now_s)
        self.volunteers += 1
        hour.volunteers = max(hour.volunteers, self.volunteers)

    def left(self, now_s: float) -> None:
        """Count a volunteer off that had joined."""
        self._at(now_s)
        self.volunteers -= 1

    def helped(self, country: str | None, carried_bytes: int, now_s: float) -> None:
        """Count a link that helped a reader in `country`, None if that is not known."""
        hour = self._at(now_s)
        hour.helped += 1
        hour.carried_bytes += carried_bytes
        day = self._countries.setdefault(_hour(now_s) // DAY_HOURS, Counter())
        if country not in day and len(day) >= serverlimits.COUNTED_COUNTRIES:
            country = None
        day[country] += 1

    def carried(self, carried_bytes: int, now_s: float) -> None:
        """Count bytes of a reader who is counted elsewhere."""
        self._at(now_s).carried_bytes += carried_bytes

    def hours(self, now_s: float) -> dict[int, HourCounts]:
        """Return the counts of each hour since the first one that was counted, the oldest first."""
        self._at(now_s)
        return dict(sorted(self._hours.items()))

    def days(self, now_s: float) -> dict[int, Counter[str | None]]:
        """Return the readers that were helped each day, by country."""
        self._at(now_s)
        return dict(sorted(self._countries.items()))

    def counted(self, now_s: float) -> Counted:
        """Return a copy of all that is counted."""
        hours = {hour: replace(counts) for hour, counts in self.hours(now_s).items()}
        countries: Counter[str | None] = Counter()
        for day in self._countries.values():
            countries.update(day)
        return Counted(self.volunteers, hours, countries)

    def _at(self, now_s: float) -> HourCounts:
        """Return the counts of this hour, and make those of the hours since the last event."""
        hour = _hour(now_s)
        if hour != self._hour:
            self._hour = hour
            oldest, today = hour - serverlimits.COUNTED_HOURS + 1, hour // DAY_HOURS
            self._hours = {at: each for at, each in self._hours.items() if oldest <= at <= hour}
            self._countries = {
                day: counts
                for day, counts in self._countries.items()
                if today - COUNTED_DAYS < day <= today
            }
            for missing in range(max(self._hours, default=hour - 1) + 1, hour + 1):
                self._hours[missing] = HourCounts(volunteers=self.volunteers)
        return self._hours[hour]


def _hour(now_s: float) -> int:
    return int(now_s // HOUR_S)
