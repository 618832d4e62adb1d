from __future__ import annotations

from passerelle.core.rounding import rounded


def test_counts_of_people_are_rounded_up() -> None:
    """Counts of people are rounded up, so that one reader more or less cannot be seen."""
    assert [rounded(n) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
