"""What tells links of ours from their twins: the exact rule, and the list of what is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from tests.lab.twins.features import Feature, Features

APART = 1.5
"""Numbers differ where the largest of one kind is this much below the smallest of the other."""
FAR_APART = 3.0
"""Numbers depend on how busy the machine is, so only this much counts as new or as sure to stay."""
SMALL = 0.2
"""What is below this in both kinds is nothing, whatever the ratio: events a second, or a share."""

How = Literal["ours alone", "never ours", "lower", "higher"]
Known = dict[str, Literal["always", "sometimes"]]
"""Differences by their text, and whether each round of a full run showed them."""


class Difference(NamedTuple):
    """Something by which an observer tells our links from two browsers'."""

    feature: Feature
    how: How
    value: str = ""
    """The value of a set; empty for a number."""

    def __str__(self) -> str:
        told = f"{self.how}: {self.value}" if self.value else self.how
        return f"{self.feature}: {told}"


def compare(
    twins: Sequence[Features], ours: Sequence[Features], apart: float = APART
) -> list[Difference]:
    """Return all differences between links of ours and the twins, each of which is one link.

    The rule for values: none of ours that no twin shows, and none that all twins show and ours
    never do. The rule for numbers: the ranges of both kinds must come as near to each other as the
    factor `apart`.
    """
    if not twins or not ours:
        raise ValueError("there is nothing to compare")
    found: list[Difference] = []
    for feature in sorted({name for each in (*twins, *ours) for name in each}):
        if isinstance(next(each[feature] for each in (*twins, *ours) if feature in each), float):
            found += _compare_numbers(
                feature, numbers(twins, feature), numbers(ours, feature), apart
            )
        else:
            found += _compare_sets(feature, values(twins, feature), values(ours, feature))
    return found


def _compare_sets(
    feature: Feature, twins: Sequence[frozenset[str]], ours: Sequence[frozenset[str]]
) -> Iterable[Difference]:
    shown = frozenset[str]().union(*ours)
    for value in sorted(shown.difference(*twins)):
        yield Difference(feature, "ours alone", value)
    for value in sorted(twins[0].intersection(*twins[1:]) - shown):
        yield Difference(feature, "never ours", value)


def _compare_numbers(
    feature: Feature, twins: Sequence[float], ours: Sequence[float], apart: float
) -> Iterable[Difference]:
    if max(*twins, *ours) < SMALL:
        return
    if max(ours) * apart < min(twins):
        yield Difference(feature, "lower")
    elif max(twins) * apart < min(ours):
        yield Difference(feature, "higher")


def values(links: Sequence[Features], feature: Feature) -> list[frozenset[str]]:
    """Return the set of each link."""
    found = [each.get(feature, frozenset[str]()) for each in links]
    return [each for each in found if isinstance(each, frozenset)]


def numbers(links: Sequence[Features], feature: Feature) -> list[float]:
    """Return the number of each link."""
    found = [each.get(feature, 0.0) for each in links]
    return [each for each in found if isinstance(each, float)]


def learn(rounds: Sequence[Sequence[Difference]], sure: Sequence[Sequence[Difference]]) -> Known:
    """Return the differences of all rounds; those that are sure in every round are there always."""
    always = set(map(str, sure[0])).intersection(*(map(str, each) for each in sure))
    shown = sorted({str(difference) for each in rounds for difference in each})
    return {text: "always" if text in always else "sometimes" for text in shown}


def judge(
    known: Mapping[str, str], seen: Iterable[Difference], sure: Iterable[Difference]
) -> list[str]:
    """Return what is wrong with a list of known differences, after a round.

    The round showed `seen`; those of them in `sure` are no matter of how busy the machine was.
    """
    shown = set(map(str, seen))
    new = sorted({str(each) for each in sure} - known.keys())
    gone = sorted(text for text, how in known.items() if how == "always" and text not in shown)
    return [
        *(f"a new difference: {text}" for text in new),
        *(f"no difference any more: {text}" for text in gone),
    ]
