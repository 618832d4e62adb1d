"""Keep the counts in a file, so that a restart loses little.

The file holds no more than the pages show. What is kept of an hour is rounded up, as on the pages.
What is kept of a country is rounded down: what is rounded up would name a country with one reader
after the next start.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from passerelle import serverlimits
from passerelle.broker.audience.counting import Audience
from passerelle.broker.audience.figures import MEGABYTE
from passerelle.core.rounding import COUNT_STEP, rounded
from passerelle.core.tally import COUNTED_DAYS, HourCounts, Tally
from passerelle.wire.signalling import Country

KEEP_S: Final = 300.0
"""Time after which the counts are kept again: a crash loses what was counted since."""
_NETWORK: Final = ""
"""The name of the tally of the whole network."""
_PRIVATE: Final = 0o600

_Count = Annotated[int, Meta(ge=0, lt=2**53)]
_log = logging.getLogger(__name__)


class _Hour(msgspec.Struct, frozen=True, array_like=True):
    hour: _Count
    volunteers: _Count
    helped: _Count
    megabytes: _Count


class _Day(msgspec.Struct, frozen=True, array_like=True):
    day: _Count
    countries: Annotated[dict[Country, _Count], Meta(max_length=serverlimits.COUNTED_COUNTRIES)]
    unknown: _Count


class _Tally(msgspec.Struct, frozen=True):
    hours: Annotated[tuple[_Hour, ...], Meta(max_length=serverlimits.COUNTED_HOURS)]
    days: Annotated[tuple[_Day, ...], Meta(max_length=COUNTED_DAYS + 1)]


_decoder = msgspec.json.Decoder(dict[str, _Tally])


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds."""

    network: Tally = field(default_factory=Tally)
    publishers: Mapping[str, Tally] = field(default_factory=dict)
    """By name."""


class CountKeeper:
    """Keeps the counts of one broker in a file."""

    def __init__(self, path: Path, audience: Audience, clock: Callable[[], float]) -> None:
        """`clock` tells Unix time."""
        self._path = path
        self._audience = audience
        self._clock = clock

    async def run(self) -> None:
        """Keep the counts every KEEP_S, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_S)
            await asyncio.to_thread(save, self._path, self._text())

    def keep(self) -> None:
        """Keep the counts now, and return when that is done."""
        save(self._path, self._text())

    def _text(self) -> bytes:
        return text(self._audience.network, self._audience.tallies, self._clock())


def load(path: Path) -> Kept:
    """Return what is in the file; nothing without one, and nothing of a damaged one."""
    try:
        if path.stat().st_size > serverlimits.COUNTS_FILE_BYTES:
            raise ValueError("too long")
        found = _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("the counts of publishers begin anew: %s cannot be used (%s)", path, error)
        return Kept()
    tallies = {name: _restored(kept) for name, kept in found.items()}
    return Kept(tallies.pop(_NETWORK, Tally()), tallies)


def text(network: Tally, publishers: Mapping[str, Tally], now_s: float) -> bytes:
    """Return what a file is to hold at Unix time `now_s`."""
    tallies = {_NETWORK: network, **publishers}
    return msgspec.json.encode({name: _kept(tally, now_s) for name, tally in tallies.items()})


def save(path: Path, content: bytes) -> None:
    """Replace the file in one step. A disk that is full costs a warning and the counts."""
    # Two programs may have one folder, and would write into each other's draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        _log.warning("the counts of publishers are not kept: %s (%s)", path, error.strerror)


def _kept(tally: Tally, now_s: float) -> _Tally:
    return _Tally(
        hours=tuple(
            _Hour(
                hour,
                int(rounded(each.volunteers)),
                int(rounded(each.helped)),
                int(rounded(-(-each.carried_bytes // MEGABYTE))),
            )
            for hour, each in tally.hours(now_s).items()
        ),
        days=tuple(
            _Day(
                day,
                {name: _down(count) for name, count in counts.items() if name and _down(count)},
                _down(counts[None]),
            )
            for day, counts in tally.days(now_s).items()
        ),
    )


def _restored(kept: _Tally) -> Tally:
    days: dict[int, Counter[str | None]] = {}
    for each in kept.days:
        days[each.day] = Counter(each.countries)
        days[each.day][None] = each.unknown
    hours = {
        each.hour: HourCounts(each.volunteers, each.helped, each.megabytes * MEGABYTE)
        for each in kept.hours
    }
    return Tally(hours, days)


def _down(count: int) -> int:
    return count // COUNT_STEP * COUNT_STEP
