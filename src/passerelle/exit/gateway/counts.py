"""The numbers that a gateway shows its operator; none names a person, a story or a request."""

from __future__ import annotations

from passerelle.exit.gateway.refusals import Refusal
from passerelle.io.server.metrics import Metrics
from passerelle.wire.gatewayframes import Reset

SOURCES = ("site", "shared", "repeated", "broker")
"""Where answers come from: the site, another reader's answer, one to the same request before, a
broker that was asked for volunteers."""


class GatewayMetrics:
    """Counters of what happened at one gateway."""

    def __init__(self, metrics: Metrics) -> None:
        self.answers = metrics.counter(
            "exit_gateway_answers",
            "Answers that were passed on, by where they came from.",
            label="source",
            values=SOURCES,
        )
        self.refusals = metrics.counter(
            "exit_gateway_refusals",
            "Requests that the gateway answered itself, by why.",
            label="reason",
            values=[each.value for each in Refusal],
        )
        self.resets = metrics.counter(
            "exit_gateway_resets",
            "Requests without an answer, by why.",
            label="reason",
            values=[each.name.lower() for each in Reset],
        )
        self.bytes = metrics.counter(
            "exit_gateway_bytes", "Bytes of answers on their way to readers.", exact=True
        )
