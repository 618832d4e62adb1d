"""What wakes a Chromium's pages and workers, read out of its own trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

CATEGORY: Final = "devtools.timeline"
"""The category of the trace events that are read here."""
FRAMES: Final = ("RequestAnimationFrame", "FireAnimationFrame")
REQUEST: Final = "ResourceSendRequest"


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer of a page or a worker."""

    timeout_ms: float
    repeats: bool


@dataclass(frozen=True, slots=True)
class Wakeups:
    """What happened in a span of time, and what was still to come at its end."""

    pending: tuple[Timer, ...]
    """Timers that were set, did not end, and were not taken away."""
    fired: tuple[Timer, ...]
    frames: int
    """Animation frames that were asked for or drawn."""
    requests: tuple[str, ...]


def read(events: Iterable[dict[str, Any]], start_s: float, end_s: float) -> Wakeups:
    """Return what happened between two times of the monotonic clock.

    `events` begin before the first page, so that every timer's beginning is among them.
    """
    running: dict[tuple[int, int, str, int], Timer] = {}
    fired: list[Timer] = []
    frames = 0
    requests: list[str] = []
    for event in sorted(events, key=lambda event: float(event["ts"])):
        # The times of events are microseconds of the monotonic clock.
        at_s = event["ts"] / 1e6
        if at_s > end_s:
            break
        data = event.get("args", {}).get("data") or {}
        # Each page and each worker counts its own timers; those of a worker name no frame.
        key = (event["pid"], event["tid"], data.get("frame", ""), data.get("timerId", 0))
        match event["name"]:
            case "TimerInstall":
                running[key] = Timer(float(data["timeout"]), repeats=not data["singleShot"])
            case "TimerRemove":
                running.pop(key, None)
            case "TimerFire" if key in running and event["ph"] in "XBI":
                timer = running[key] if running[key].repeats else running.pop(key)
                if at_s >= start_s:
                    fired.append(timer)
            case name if name in FRAMES and at_s >= start_s:
                frames += 1
            case name if name == REQUEST and at_s >= start_s:
                requests.append(str(data.get("url", "")))
    return Wakeups(tuple(running.values()), tuple(fired), frames, tuple(requests))
