"""Chooses the link for the next segment: the one that is expected to deliver it first.

The rule is earliest completion first (Lim et al., "ECF: An MPTCP Path Scheduler to Manage
Heterogeneous Paths", CoNEXT 2017): a slow link with room is passed over when a faster one, though
full, would deliver everything that waits before the slow one delivered this segment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

from passerelle.core.tunnel.estimator import LinkEstimator


class SchedulableLink(Protocol):
    """A link as the scheduler sees it."""

    @property
    def estimator(self) -> LinkEstimator:
        """The link's measurements."""


P = TypeVar("P", bound=SchedulableLink)


def choose(paths: Iterable[P], size: int, waiting: int, *, whole: bool) -> P | None:
    """Return the path for a segment of `size` bytes; None to wait.

    With `whole` the segment cannot be cut any more. Otherwise it is cut to the largest segment that
    suits the path. `waiting` is how many bytes, this segment included, wait to be sent. Of paths
    that deliver equally soon, the one with less in flight is chosen.
    """
    best: P | None = None
    best_cost = (math.inf, 0)
    full_eta = math.inf
    for path in paths:
        estimator = path.estimator
        part = size if whole else min(size, estimator.segment_bytes)
        # An idle path takes any segment, since its window may be smaller than a segment that was
        # cut for another path.
        if estimator.room >= part or not estimator.in_flight:
            cost = (estimator.eta_s(part), estimator.in_flight)
            if cost < best_cost:
                best, best_cost = path, cost
        else:
            full_eta = min(full_eta, estimator.eta_s(waiting))
    return None if full_eta < best_cost[0] else best
