"""The hours of the day in which a volunteer helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Final

from passerelle.errors import ConfigError

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_END = 24 * 60
_MOST_SPANS = 8


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans of minutes since midnight, each from its first minute up to its last but one.

    A span whose end is not after its beginning goes over midnight.
    """

    spans: tuple[tuple[int, int], ...]

    def has(self, at: time) -> bool:
        """Return whether it is time to help."""
        minute = at.hour * 60 + at.minute
        return any(
            begin <= minute < end if begin < end else minute >= begin or minute < end
            for begin, end in self.spans
        )


ALWAYS: Final = Hours(((0, _DAY_END),))


def parse(text: str) -> Hours:
    """Read `08:00-12:30,22:00-06:00`; an empty text means always. Raises ConfigError."""
    if not text:
        return ALWAYS
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part.strip())
        numbers = [int(each) for each in found.groups()] if found else []
        if not numbers or max(numbers[1], numbers[3]) > 59 or len(spans) == _MOST_SPANS:
            raise _bad(part)
        begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if begin >= _DAY_END or end > _DAY_END:
            raise _bad(part)
        spans.append((begin, end))
    return Hours(tuple(spans))


def _bad(part: str) -> ConfigError:
    return ConfigError(
        f"These hours cannot be read: {part[:40]!r}. Write them like 08:00-12:30, several after a "
        "comma. 22:00-06:00 goes over midnight."
    )
