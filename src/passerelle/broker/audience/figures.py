"""What is shown of counts: figures of which none says something about a single person.

All figures are rounded up to multiples of `COUNT_STEP`. A country is named once as many readers
there were helped; those of all others are added up.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from passerelle.core.rounding import COUNT_STEP, rounded
from passerelle.core.tally import HOUR_S, Counted

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class HourFigures:
    """The figures of one hour."""

    begin_s: int
    """When the hour began, as Unix time."""
    volunteers: int
    """Most volunteers at once."""
    helped: int
    """Times that a reader was helped."""
    megabytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a page shows."""

    volunteers: int
    """Volunteers now."""
    hours: tuple[HourFigures, ...]
    """The oldest first; the last one is not over."""
    helped: int
    """Times that a reader was helped, in all these hours."""
    megabytes: int
    countries: tuple[tuple[str, int], ...]
    """Times that readers in a country were helped, the country with most first."""
    elsewhere: int
    """Times that readers in other countries were helped, or in unknown ones."""


def figures(counted: Counted) -> Figures:
    """Return what may be shown of what was counted."""
    hours, readers = counted.hours, counted.countries
    named = {
        country: count
        for country, count in readers.items()
        if country is not None and count >= COUNT_STEP
    }
    return Figures(
        volunteers=_up(counted.volunteers),
        hours=tuple(
            HourFigures(
                begin_s=hour * HOUR_S,
                volunteers=_up(each.volunteers),
                helped=_up(each.helped),
                megabytes=_megabytes(each.carried_bytes),
            )
            for hour, each in hours.items()
        ),
        helped=_up(sum(each.helped for each in hours.values())),
        megabytes=_megabytes(sum(each.carried_bytes for each in hours.values())),
        countries=tuple(
            (country, _up(count))
            for country, count in sorted(named.items(), key=lambda item: (-_up(item[1]), item[0]))
        ),
        elsewhere=_up(sum(readers.values()) - sum(named.values())),
    )


def hours_csv(shown: Figures) -> str:
    """Return a table of the hours, as RFC 4180 has it."""
    return _csv(
        ("hour_utc", "most_volunteers", "times_helped", "megabytes"),
        ((utc(each.begin_s), each.volunteers, each.helped, each.megabytes) for each in shown.hours),
    )


def countries_csv(shown: Figures) -> str:
    """Return a table of the countries; the last row, without a country, is for all others."""
    rows = (*shown.countries, ("", shown.elsewhere))
    return _csv(("country", "times_helped"), rows)


def utc(time_s: float) -> str:
    """Return a time by the minute (ISO 8601)."""
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time_s))


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _up(count: int) -> int:
    return int(rounded(count))


def _megabytes(count: int) -> int:
    return _up(-(-count // MEGABYTE))
