"""Reports of links that ended, by which brokers find good volunteers again.

A report says how a link did. It does not say where its streams went, which session it belonged to,
or who used it. It names the id of the link's ticket, which only the broker that signed the ticket
can tie to a volunteer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from passerelle.errors import LinkCode


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The outcome of one link that a volunteer brought."""

    exit_id: str
    ticket_id: bytes = field(repr=False)
    """Id of the volunteer's link ticket (`Ticket.id`), 16 bytes that the broker drew."""
    joined: bool
    """Whether a client sent HELLO over the link; if none did, the volunteer may be blameless."""
    received_bytes: int
    """Bytes of link messages from the client, TLS and framing included."""
    sent_bytes: int
    """Bytes of link messages towards the client, TLS and framing included."""
    duration_s: float
    """Time from the WebSocket's opening to its end."""
    rate_bytes_s: float
    """Last measured delivery rate towards the client; 0 if too little was sent to measure it."""
    rtt_s: float
    """Smallest recent round trip to the client and back; 0 if none was measured."""
    reason: LinkCode
    """Why the link ended: TRANSPORT if the volunteer vanished, DRAINING if it said goodbye, TIMEOUT
    if it fell silent, NORMAL if the client wanted it."""


class Reporter(Protocol):
    """Takes reports; must not block and must not raise."""

    def link_ended(self, report: LinkReport) -> None:
        """Take the report of a link, once for each that was opened with a good ticket."""


class NoReports:
    """The `Reporter` of an exit that reports to nobody."""

    def link_ended(self, report: LinkReport) -> None:
        """Drop the report."""
