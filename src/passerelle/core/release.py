"""Release names such as `passerelle-switch/0.1.0`, which programs send to say what they are."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"(?:[a-z-]{1,32}/)?(\d{1,6})\.(\d{1,6})\.(\d{1,6})\Z", re.ASCII)


def parse(text: str) -> tuple[int, int, int] | None:
    """Return the three numbers of `0.1.0` or `name/0.1.0`; None for any other text."""
    found = _RELEASE.match(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def is_older(software: str, minimum: tuple[int, int, int] | None) -> bool:
    """Whether `software` names a release older than `minimum`, or no release at all.

    Without a `minimum`, nothing is too old.
    """
    if minimum is None:
        return False
    release = parse(software)
    return release is None or release < minimum
