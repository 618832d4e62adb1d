"""How well a random forest tells windows of one class from those of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold

from bench.flows import Features, Numbers

TREES: Final = 150
LEAF_WINDOWS: Final = 2
FOLDS: Final = 5
REPEATS: Final = 2
"""How often the parts of the cross-validation are drawn anew; a window's scores are averaged."""
SAMPLES: Final = 1000
"""Samples of the bootstrap."""
HALVES: Final = 8
"""How often calls are halved at random; a single halving of few captures is far from the mean."""
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a capture."""

    path: str
    """The network that it was made in."""
    capture: str
    """The name of its capture: windows of one are alike, so they never are on both sides."""
    kind: str
    """What was done: a kind of call, or of reading."""
    features: Features


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well two classes are told apart."""

    auc: float
    """The chance that a window of the second class looks more like it than one of the first does:
    0.5 is a guess, 1 is certainty."""
    low: float
    high: float
    """The interval in which 95 % of the bootstrap's samples are."""
    windows: tuple[int, int]
    """Windows of both classes that were judged."""
    kinds: dict[str, float]
    """The same for each kind of the second class alone."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A feature that tells one class from the other."""

    feature: str
    weight: float
    """Its share of the forest's decisions."""
    alone: float
    """The AUC of this feature alone, 0.5 to 1."""
    ranges: tuple[Numbers, Numbers]
    """The 10th, 50th and 90th percentile of both classes."""

    def __str__(self) -> str:
        calls, ours = (
            f"{median:.4g} ({low:.4g} to {high:.4g})" for low, median, high in self.ranges
        )
        return (
            f"{self.feature}: weight {self.weight:.3f}, alone {self.alone:.2f}; "
            f"calls {calls}, ours {ours}"
        )


def judge(first: Sequence[Window], second: Sequence[Window], seed: int = SEED) -> Verdict:
    """Return how well the second class is told from the first.

    Of each path both have equally many windows. Raises ValueError where there is not enough.
    """
    random = np.random.default_rng(seed)
    pair = balanced(first, second, random)
    windows, classes = [*pair[0], *pair[1]], np.repeat([0, 1], [len(each) for each in pair])
    scores = _scores(windows, classes, random)
    auc = area(classes, scores)
    low, high = np.percentile(list(_bootstrap(windows, classes, scores, random)), [2.5, 97.5])
    kinds = {}
    for kind in sorted({each.kind for each in pair[1]}):
        chosen = np.array([not ours or each.kind == kind for each, ours in _zip(windows, classes)])
        kinds[kind] = area(classes[chosen], scores[chosen])
    counts = (len(pair[0]), len(pair[1]))
    return Verdict(auc, float(low), float(high), counts, kinds)


def area(classes: Numbers, scores: Numbers) -> float:
    """Return the area under the ROC curve: the chance that one of class 1 scores above one of 0."""
    ones, zeros = scores[classes == 1], scores[classes == 0][:, np.newaxis]
    return float((ones > zeros).mean() + (ones == zeros).mean() / 2)


def balanced(
    first: Sequence[Window], second: Sequence[Window], random: np.random.Generator
) -> tuple[list[Window], list[Window]]:
    """Return as many windows of each path from one class as from the other, chosen by chance.

    So neither the path nor the number tells anything of the class.
    """
    chosen: tuple[list[Window], list[Window]] = ([], [])
    for path in sorted({each.path for each in first} & {each.path for each in second}):
        both = [[each for each in windows if each.path == path] for windows in (first, second)]
        count = min(map(len, both))
        for windows, taken in zip(both, chosen, strict=True):
            order = random.permutation(len(windows))[:count]
            taken += [windows[at] for at in sorted(order)]
    for windows in chosen:
        if len({each.capture for each in windows}) < 2:
            raise ValueError("each class needs windows of two captures on the same paths")
    return chosen


def halves(windows: Sequence[Window], seed: int) -> tuple[list[Window], list[Window]]:
    """Return two halves of the captures, of which one of each random pair is in either.

    Both of a pair are of one path and get the pair's name as their capture. So a cross-validation
    never learns from one of a pair where it asks for the other: captures of one kind would else be
    taken for the other half's more often than by chance, because more of them are left there.
    """
    random = np.random.default_rng(seed)
    chosen: tuple[list[Window], list[Window]] = ([], [])
    for path in sorted({each.path for each in windows}):
        captures = random.permutation(
            sorted({each.capture for each in windows if each.path == path})
        )
        for number, pair in enumerate(zip(captures[::2], captures[1::2], strict=False)):
            for half, capture in zip(chosen, pair, strict=True):
                half += [
                    replace(each, capture=f"{path} {number}")
                    for each in windows
                    if each.capture == capture
                ]
    return chosen


def control(windows: Sequence[Window], halvings: int = HALVES) -> tuple[float, float, float]:
    """Return mean, least and most AUC of one half of a class against the other.

    It should be 0.5, whatever the class is.
    """
    found = [judge(*halves(windows, seed), seed).auc for seed in range(halvings)]
    return float(np.mean(found)), min(found), max(found)


def signs(first: Sequence[Window], second: Sequence[Window]) -> list[Sign]:
    """Return the features that tell the classes apart, those of most weight first."""
    pair = balanced(first, second, np.random.default_rng(SEED))
    classes = np.repeat([0, 1], [len(each) for each in pair])
    table = _table([*pair[0], *pair[1]])
    weights = _forest(SEED).fit(table, classes).feature_importances_
    names = list(pair[0][0].features)
    return [
        Sign(
            names[at],
            float(weights[at]),
            0.5 + abs(area(classes, table[:, at]) - 0.5),
            tuple(np.percentile(table[classes == each, at], [10, 50, 90]) for each in (0, 1)),
        )
        for at in np.argsort(-weights)
    ]


def _scores(windows: Sequence[Window], classes: Numbers, random: np.random.Generator) -> Numbers:
    """Return for each window how much it looks like the second class, to a forest that has seen
    none of its capture.
    """
    table, captures = _table(windows), [each.capture for each in windows]
    fewest = min(
        len({capture for capture, each in zip(captures, classes, strict=True) if each == which})
        for which in (0, 1)
    )
    scores = np.zeros(len(windows))
    for _ in range(REPEATS):
        seed = int(random.integers(1 << 31))
        parts = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
        for known, asked in parts.split(table, classes, captures):
            forest = _forest(seed).fit(table[known], classes[known])
            # A part may have lost one class in a small run.
            if len(forest.classes_) == 2:
                scores[asked] += forest.predict_proba(table[asked])[:, 1] / REPEATS
    return scores


def _bootstrap(
    windows: Sequence[Window], classes: Numbers, scores: Numbers, random: np.random.Generator
) -> Iterator[float]:
    """Yield the AUC of samples of whole captures, drawn from each class with replacement."""
    of_capture: dict[tuple[int, str], list[int]] = {}
    for at, (window, which) in enumerate(_zip(windows, classes)):
        of_capture.setdefault((which, window.capture), []).append(at)
    groups = [[rows for (which, _), rows in of_capture.items() if which == at] for at in (0, 1)]
    for _ in range(SAMPLES):
        drawn = [
            row
            for each in groups
            for at in random.integers(len(each), size=len(each))
            for row in each[at]
        ]
        yield area(classes[drawn], scores[drawn])


def _zip(windows: Sequence[Window], classes: Numbers) -> Iterator[tuple[Window, int]]:
    return zip(windows, map(int, classes), strict=True)


def _table(windows: Sequence[Window]) -> Numbers:
    return np.array([list(each.features.values()) for each in windows])


def _forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        TREES, min_samples_leaf=LEAF_WINDOWS, class_weight="balanced", random_state=seed
    )


def counted(windows: Sequence[Window]) -> str:
    """Return how many windows and captures there are of each kind, for a person."""
    kinds = Counter(each.kind for each in windows)
    captures = len({each.capture for each in windows})
    return f"{len(windows)} windows of {captures} captures ({dict(kinds)})"
