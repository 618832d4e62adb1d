"""Answers that all readers of a gateway share, in bounded memory. `freshness` says which may be."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from passerelle import limits
from passerelle.core.gateway.freshness import age_s, selecting
from passerelle.wire.binaryhttp import Fields

_COST_BYTES = 1024
"""What one answer counts beside its bytes: the objects that hold it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer of the site. Times are monotonic seconds."""

    status: int
    fields: Fields = field(repr=False)
    content: bytes = field(repr=False)
    selecting: Fields = field(repr=False)
    """The fields of its request that it depends on, with their values."""
    came_s: float
    until_s: float

    @property
    def cost_bytes(self) -> int:
        """Memory that the answer takes."""
        held = sum(len(name) + len(value) for name, value in (*self.fields, *self.selecting))
        return len(self.content) + held + _COST_BYTES

    def answers(self, request: Fields) -> bool:
        """Return whether a request with these fields would get this answer."""
        return selecting(request, self.fields) == self.selecting

    def aged(self, now: float) -> Fields:
        """Return the answer's fields with its age, which RFC 9111 §4 demands."""
        age = int(age_s(self.fields) + now - self.came_s)
        rest = tuple(each for each in self.fields if each[0] != b"age")
        return (*rest, (b"age", str(age).encode()))


class AnswerCache:
    """The answers of one gateway, by their address. The one used longest ago gives way."""

    def __init__(self, capacity_bytes: int) -> None:
        """`capacity_bytes` bounds the memory; 0 keeps nothing."""
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._answers: OrderedDict[str, tuple[Kept, ...]] = OrderedDict()
        """The newest variant comes first."""

    @property
    def held_bytes(self) -> int:
        """Memory that all answers take."""
        return self._held_bytes

    def find(self, url: str, request: Fields, now: float) -> Kept | None:
        """Return a fresh answer to a request with these fields, or None."""
        for kept in self._answers.get(url, ()):
            if kept.until_s > now and kept.answers(request):
                self._answers.move_to_end(url)
                return kept
        return None

    def keep(self, url: str, kept: Kept, now: float) -> None:
        """Keep an answer, in place of an older one to the same request."""
        others = [
            each
            for each in self._answers.get(url, ())
            if each.until_s > now and each.selecting != kept.selecting
        ]
        self.forget(url)
        if kept.cost_bytes > self._capacity_bytes:
            return
        variants = (kept, *others[: limits.GATEWAY_VARIANTS - 1])
        self._answers[url] = variants
        self._held_bytes += _cost_bytes(variants)
        while self._held_bytes > self._capacity_bytes:
            _, gone = self._answers.popitem(last=False)
            self._held_bytes -= _cost_bytes(gone)

    def forget(self, url: str) -> None:
        """Forget what is kept of an address, as after a request that changed it (RFC 9111 §4.4)."""
        self._held_bytes -= _cost_bytes(self._answers.pop(url, ()))


def _cost_bytes(variants: tuple[Kept, ...]) -> int:
    return sum(kept.cost_bytes for kept in variants)
