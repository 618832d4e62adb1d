"""Log lines about what others do wrong: few, however often they do it."""

from __future__ import annotations

import logging
import time

from passerelle import serverlimits


class FaultLog:
    """Writes at most one line about each kind of fault in `serverlimits.BUS_FAULT_PAUSE_S`.

    A line says how many like it were left out before. There must be few kinds: each is remembered.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warn(self, kind: str, text: str) -> None:
        """Log `text` as a warning, or count it if one of its kind was logged a short time ago."""
        now_s = time.monotonic()
        if now_s < self._next_s.get(kind, now_s):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._next_s[kind] = now_s + serverlimits.BUS_FAULT_PAUSE_S
        left_out = self._left_out.pop(kind, 0)
        self._log.warning("%s%s", text, f" (and {left_out} more before)" if left_out else "")
