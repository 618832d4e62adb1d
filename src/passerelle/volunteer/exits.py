"""Keeps in mind which exits of the network can be reached, as far as offers have shown."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle import limits

FAILURES = 2
"""Failures in a row after which an exit rests. One may be the fault of a single offer."""
RESTART_FAILURES = 20
"""An exit that was reached before fails so often more before it rests: it may be restarting."""
REST_S = 30.0
"""How long an exit rests at first. Each further failure doubles it."""
LONGEST_REST_S = 600.0


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    """In a row; after a connection they are counted from `-RESTART_FAILURES` on."""
    rests_until: float = 0.0


class ExitRecord:
    """The troubles of exits. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._troubles: dict[str, _Trouble] = {}
        self._shunned: set[str] = set()
        """Exits that broke the rules. They are not connected to again."""

    def may_connect(self, exit_id: str, now: float) -> bool:
        """Return whether the exit may be connected to."""
        trouble = self._troubles.get(exit_id)
        return exit_id not in self._shunned and (trouble is None or now >= trouble.rests_until)

    def opened(self, exit_id: str) -> None:
        """A connection opened."""
        self._of(exit_id).failures = -RESTART_FAILURES

    def failed(self, exit_id: str, now: float) -> None:
        """A connection did not open."""
        trouble = self._of(exit_id)
        trouble.failures += 1
        if (over := trouble.failures - FAILURES) >= 0:
            trouble.rests_until = now + min(LONGEST_REST_S, REST_S * 2.0 ** min(over, 10))

    def shun(self, exit_id: str) -> None:
        """The exit broke the rules."""
        if len(self._shunned) < limits.EXIT_FAILURES:
            self._shunned.add(exit_id)

    def _of(self, exit_id: str) -> _Trouble:
        if len(self._troubles) >= limits.EXIT_FAILURES and exit_id not in self._troubles:
            self._troubles.pop(next(iter(self._troubles)))
        return self._troubles.setdefault(exit_id, _Trouble())
