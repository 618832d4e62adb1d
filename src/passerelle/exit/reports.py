"""What an exit tells about links that ended, so that good volunteers are found again.

A report says how a link did. It says nothing about where its streams went, which session it
belonged to, or who used it; the reference is the id of the link ticket, which only the broker that
signed the ticket can tie to a volunteer.
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
    """Of the volunteer's link ticket, 16 bytes: `Ticket.id` as the broker drew it."""
    joined: bool
    """Whether a client introduced itself over it; without one the volunteer may be blameless."""
    received_bytes: int
    """Link messages from the client, TLS and framing included."""
    sent_bytes: int
    """Link messages towards the client, TLS and framing included."""
    duration_s: float
    """From the WebSocket's opening to its end."""
    rate_bytes_s: float
    """Delivery rate towards the client as measured last; 0 if too little was sent for that."""
    rtt_s: float
    """Smallest recent round trip to the client and back; 0 if none was measured."""
    reason: LinkCode
    """Why it ended: TRANSPORT is a volunteer that vanished, DRAINING one that said goodbye,
    TIMEOUT one that fell silent, NORMAL the client's own wish."""


class Reporter(Protocol):
    """Takes reports; must not block and must not raise."""

    def link_ended(self, report: LinkReport) -> None:
        """One link is over. Called once for each link that was opened with a good ticket."""


class NoReports:
    """For an exit that nobody asks."""

    def link_ended(self, report: LinkReport) -> None:
        """Forget it."""
