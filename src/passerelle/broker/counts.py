"""The numbers a broker shows its operator. Nothing in them says who asked or helped."""

from __future__ import annotations

from typing import Final

from passerelle.io.server.metrics import Metrics
from passerelle.wire.rendezvous import Answer, Miss, Refusal, RendezvousReply

_ANSWERED: Final = "answered"
_UNUSABLE: Final = "unusable"


class BrokerMetrics:
    """Counts of what became of requests and offers at one broker."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter(
            "broker_requests",
            "Rendezvous requests, by what became of them: unusable ones cannot be opened, are "
            "stale, repeated, or too many.",
            label="outcome",
            values=(_ANSWERED, _UNUSABLE, *(refusal.value for refusal in Refusal)),
        )
        self._offers = metrics.counter(
            "broker_offers",
            "Offers in answered requests, by what became of them.",
            label="outcome",
            values=(_ANSWERED, *(miss.value for miss in Miss)),
        )

    def unusable(self) -> None:
        """Count a request that got the uniform failure."""
        self._requests.add(value=_UNUSABLE)

    def replied(self, reply: RendezvousReply) -> None:
        """Count a request that got a reply, and its offers."""
        if reply.refusal is not None:
            self._requests.add(value=reply.refusal.value)
            return
        self._requests.add(value=_ANSWERED)
        for answer in reply.answers:
            self._offers.add(value=_ANSWERED if isinstance(answer, Answer) else answer.value)
