"""What our NAT is, and how likely two peers reach each other through theirs.

`NatClassifier` asks STUN servers over one socket, in the order that keeps each answer's meaning
(RFC 5780 §4): first who answers at all; then whether the answer comes also from an address we never
sent to (filtering); then, elsewhere, whether we look the same from there (mapping).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from passerelle.errors import PeerError
from passerelle.wire import stun
from passerelle.wire.signalling import NatClass
from passerelle.wire.stun import BindingRequest, BindingResponse, Endpoint

__all__ = [
    "NatClass",
    "NatClassifier",
    "Done",
    "Effect",
    "Event",
    "DatagramReceived",
    "SendDatagram",
    "Tick",
    "chance",
]

RETRIES_S: Final = (0.25, 0.5, 0.75)
"""Waits after the first, second and third try of one question (shorter than RFC 8489 §6.2.1: who
is not there by then is of no use)."""

_PAIRS: Final = {
    (NatClass.OPEN, NatClass.OPEN): 0.98,
    (NatClass.OPEN, NatClass.RESTRICTED): 0.97,
    (NatClass.OPEN, NatClass.SYMMETRIC): 0.95,
    (NatClass.OPEN, NatClass.UNKNOWN): 0.96,
    (NatClass.RESTRICTED, NatClass.RESTRICTED): 0.92,
    # Only where the one filters by address alone: most look at the port too (RFC 4787 §5), and
    # the other's port is not the one that was told.
    (NatClass.RESTRICTED, NatClass.SYMMETRIC): 0.15,
    (NatClass.RESTRICTED, NatClass.UNKNOWN): 0.7,
    (NatClass.SYMMETRIC, NatClass.SYMMETRIC): 0.02,
    (NatClass.SYMMETRIC, NatClass.UNKNOWN): 0.12,
    (NatClass.UNKNOWN, NatClass.UNKNOWN): 0.55,
}
"""Judgements, ordered as the mechanisms are; where one is unknown, weighed by how common
each is."""


_BLOCKED: Final = 0.01
"""Silence of all STUN servers looks like a network without UDP, and may be their own."""


def chance(client: NatClass, volunteer: NatClass) -> float:
    """Return how likely (0 to 1) a client and a volunteer behind such NATs reach each other."""
    pair = (client, volunteer)
    return _PAIRS.get(pair, _PAIRS.get(pair[::-1], _BLOCKED))


@dataclass(frozen=True, slots=True)
class Tick:
    """It is time: the first event of all, and whenever `deadline` has come."""


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """A datagram has come."""

    datagram: bytes
    source: Endpoint


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send this datagram from the one socket."""

    datagram: bytes
    target: Endpoint


@dataclass(frozen=True, slots=True)
class Done:
    """The class is found; nothing more happens."""

    nat: NatClass


Event = Tick | DatagramReceived
Effect = SendDatagram | Done


class _Step(enum.Enum):
    REACH = "reach"
    """Does a server answer?"""
    FILTER = "filter"
    """Does its other address reach us?"""
    MAP = "map"
    """Do we look the same from somewhere else?"""
    DONE = "done"


class NatClassifier:
    """Finds out a NAT's class with two STUN servers, or one that has two addresses.

    Without a second place to ask, the class stays unknown, except where there is no NAT.
    """

    def __init__(
        self, servers: Iterable[Endpoint], local: Endpoint, transaction: Callable[[], bytes]
    ) -> None:
        """`local` is the socket's own address; `transaction` gives 12 random bytes."""
        self._servers = deque(servers)
        self._local = local
        self._new_transaction = transaction
        self._step = _Step.REACH
        self._target: Endpoint | None = None
        self._request = BindingRequest(b"")
        self._tries = 0
        self._deadline: float | None = None
        self._first: BindingResponse | None = None
        """The answer to REACH."""
        self._sent_to: set[object] = set()
        """Addresses that a filter lets through, because we sent to them."""
        self._is_open = False

    def deadline(self) -> float | None:
        """Return when `Tick` is due; None before the first and after the last."""
        return self._deadline

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at monotonic seconds `now`, and return what to do, in order."""
        if self._step is _Step.DONE:
            return []
        match event:
            case Tick():
                return self._tick(now)
            case DatagramReceived(datagram, source):
                return self._receive(datagram, source, now)
            case _:
                assert_never(event)

    def _tick(self, now: float) -> list[Effect]:
        if self._target is None:
            return self._reach(now)
        if self._tries < len(RETRIES_S):
            return [self._send(now)]
        # Nobody answers.
        if self._step is _Step.REACH:
            return self._reach(now)
        if self._step is _Step.FILTER:
            return self._map(now)
        return self._done(NatClass.UNKNOWN)

    def _receive(self, datagram: bytes, source: Endpoint, now: float) -> list[Effect]:
        try:
            response = stun.decode(datagram)
        except PeerError:
            return []
        if (
            not isinstance(response, BindingResponse)
            or response.transaction != self._request.transaction
            or self._target is None
        ):
            return []
        if self._step is _Step.REACH:
            self._first = response
            return self._filter(now)
        if self._step is _Step.FILTER:
            # From where we have sent to, it would prove nothing.
            self._is_open = source.address not in self._sent_to
            return self._map(now)
        return self._mapped(response)

    def _reach(self, now: float) -> list[Effect]:
        if not self._servers:
            asked = self._target is not None
            return self._done(NatClass.BLOCKED if asked else NatClass.UNKNOWN)
        return self._ask(self._servers.popleft(), now)

    def _filter(self, now: float) -> list[Effect]:
        assert self._first is not None  # a server was reached
        assert self._target is not None
        other = self._first.other
        if other is None or other.address in self._sent_to:
            return self._map(now)
        self._step = _Step.FILTER
        return self._ask(self._target, now, change=True)

    def _map(self, now: float) -> list[Effect]:
        assert self._first is not None
        if self._first.mapped == self._local:
            # No NAT; a firewall may still stand here.
            return self._done(NatClass.OPEN if self._is_open else NatClass.RESTRICTED)
        place = self._servers.popleft() if self._servers else self._first.other
        if place is None:
            return self._done(NatClass.UNKNOWN)
        self._step = _Step.MAP
        return self._ask(place, now)

    def _mapped(self, second: BindingResponse) -> list[Effect]:
        assert self._first is not None
        if second.mapped != self._first.mapped:
            return self._done(NatClass.SYMMETRIC)
        return self._done(NatClass.OPEN if self._is_open else NatClass.RESTRICTED)

    def _ask(self, target: Endpoint, now: float, *, change: bool = False) -> list[Effect]:
        self._target = target
        self._sent_to.add(target.address)
        self._request = BindingRequest(self._new_transaction(), change, change)
        self._tries = 0
        return [self._send(now)]

    def _send(self, now: float) -> SendDatagram:
        assert self._target is not None
        self._deadline = now + RETRIES_S[self._tries]
        self._tries += 1
        return SendDatagram(stun.encode(self._request), self._target)

    def _done(self, nat: NatClass) -> list[Effect]:
        self._step = _Step.DONE
        self._deadline = None
        return [Done(nat)]
