"""What came through each door, for the operator.

The numbers are rounded as all that count people, and say nothing of who asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from passerelle.io.server.metrics import Metrics


class DoorCounts:
    """Counts the requests for volunteers that doors bring."""

    def __init__(self, metrics: Metrics, urls: Sequence[str]) -> None:
        counter = partial(metrics.counter, label="door", values=urls)
        self._requests = counter("broker_door_requests", "Requests that a door brought.")
        self._refused = counter(
            "broker_door_refused",
            "Requests of a door that could not be used, or that nobody waited for.",
        )
        self._bytes = counter("broker_door_bytes", "Bytes of a door's requests and their answers.")

    def answered(self, door: str, asked_bytes: int, reply: bytes | None) -> None:
        """Count a request of `asked_bytes` and its reply, None where there was none."""
        self._requests.add(value=door)
        self._bytes.add(asked_bytes + len(reply or b""), door)
        if reply is None:
            self._refused.add(value=door)
