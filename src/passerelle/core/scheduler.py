"""Chooses the link for the next segment: the one expected to deliver it first.

Earliest completion first (Lim et al., "ECF: An MPTCP Path Scheduler to Manage Heterogeneous
Paths", CoNEXT 2017): a slow link with room is passed over when a faster one, though full, would
be done with everything that waits before the slow one delivered this segment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from passerelle.core.estimator import LinkEstimator


class Path(Protocol):
    """What the scheduler needs to know of a link."""

    @property
    def estimator(self) -> LinkEstimator:
        """The link's measurements."""


P = TypeVar("P", bound=Path)


def choose(paths: Iterable[P], size: int, waiting: float) -> P | None:
    """Return the path for a segment of `size` bytes, or None to wait.

    `waiting` is how many bytes, this segment included, wait to be sent; it may be infinite.
    """
    best: P | None = None
    best_eta = full_eta = float("inf")
    for path in paths:
        estimator = path.estimator
        if estimator.room >= size or estimator.in_flight == 0:
            eta = estimator.eta_s(size)
            if eta < best_eta:
                best, best_eta = path, eta
        else:
            full_eta = min(full_eta, estimator.eta_s(max(size, waiting)))
    return None if full_eta < best_eta else best
