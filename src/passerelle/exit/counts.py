"""The numbers that an exit shows its operator; none names a person or a destination."""

from __future__ import annotations

from passerelle.core.address.classes import AddressClass
from passerelle.core.address.policy import Denial, HostRule, PortRule
from passerelle.errors import LinkCode
from passerelle.exit.connections import StreamEnding
from passerelle.io.server.metrics import Metrics

_DENIALS: tuple[Denial, ...] = (*AddressClass, *PortRule, *HostRule)


class ExitMetrics:
    """Counters of what happened at one exit."""

    def __init__(self, metrics: Metrics) -> None:
        self.links = metrics.counter(
            "exit_links_ended",
            "Links that ended, by reason.",
            label="reason",
            values=[code.name.lower() for code in LinkCode],
        )
        self.strangers = metrics.counter(
            "exit_strangers", "Requests that were answered as an ordinary web server does."
        )
        self.hellos_refused = metrics.counter(
            "exit_hellos_refused",
            "Clients that were refused, by reason.",
            label="reason",
            values=[code.name.lower() for code in LinkCode],
        )
        self.streams = metrics.counter(
            "exit_streams_ended",
            "Streams that ended, by how.",
            label="ending",
            values=[ending.value for ending in StreamEnding],
        )
        self.streams_limited = metrics.counter(
            "exit_streams_limited", "Streams refused because a client had used up its quota."
        )
        self.sessions_shed = metrics.counter(
            "exit_sessions_shed", "Sessions ended because all together held too much memory."
        )
        self.refusals = metrics.counter(
            "exit_refusals",
            "Destinations the policy denied, by reason.",
            label="reason",
            values=[denial.value for denial in _DENIALS],
        )
        self.bytes = metrics.counter(
            "exit_stream_bytes",
            "Payload of streams: down is towards readers.",
            label="direction",
            values=("down", "up"),
            exact=True,
        )

    def moved(self, down: int, up: int) -> None:
        """Count payload of streams in bytes, towards the reader and towards the site."""
        self.bytes.by_value["down"] += down
        self.bytes.by_value["up"] += up

    def denied(self, denial: Denial) -> None:
        """Count a refusal of the policy."""
        self.refusals.add(value=denial.value)
