"""Round numbers of people, or of what people do, so that nobody can see one of them come and go."""

from __future__ import annotations

from typing import Final

COUNT_STEP: Final = 8


def rounded(count: float) -> float:
    """Return `count` rounded up to a multiple of `COUNT_STEP`."""
    return -(-count // COUNT_STEP) * COUNT_STEP
