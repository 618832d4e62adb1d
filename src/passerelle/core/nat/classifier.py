"""Find out the class of our NAT, and how likely peers behind two NATs reach each other.

`NatClassifier` asks STUN servers over one socket. The order of its questions matters, because each
packet sent changes what the NAT lets in (RFC 5780 §4). It first finds a server that answers. It
then asks that server to answer from an address we have not sent to, which tells how the NAT
filters. Last it asks another server whether it sees the same address and port of ours, which tells
how the NAT maps.
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
"""How long to wait for an answer after the first, second and third try of one question.

RFC 8489 §6.2.1 waits longer, but a server that is silent for this long is too slow to be of use.
"""

_PAIRS: Final = {
    (NatClass.OPEN, NatClass.OPEN): 0.98,
    (NatClass.OPEN, NatClass.RESTRICTED): 0.97,
    (NatClass.OPEN, NatClass.SYMMETRIC): 0.95,
    (NatClass.OPEN, NatClass.UNKNOWN): 0.96,
    (NatClass.RESTRICTED, NatClass.RESTRICTED): 0.92,
    # These connect only if the restricted NAT filters by address alone. Most filter by port, too
    # (RFC 4787 §5), and a symmetric NAT sends from another port than its peer was told.
    (NatClass.RESTRICTED, NatClass.SYMMETRIC): 0.15,
    (NatClass.RESTRICTED, NatClass.UNKNOWN): 0.7,
    (NatClass.SYMMETRIC, NatClass.SYMMETRIC): 0.02,
    (NatClass.SYMMETRIC, NatClass.UNKNOWN): 0.12,
    (NatClass.UNKNOWN, NatClass.UNKNOWN): 0.55,
}
"""Estimates (0 to 1) of how often two classes connect.

They are judged by how the two NATs work. A pair with an unknown class averages over the classes,
weighed by how common each is.
"""


_BLOCKED: Final = 0.01
"""The estimate for a peer without UDP. It is not 0, because that class is concluded from the
silence of all STUN servers, and the servers may be down. `core.matching.pool` judges which it is
where many volunteers say so."""


def chance(client: NatClass, volunteer: NatClass) -> float:
    """Return how likely (0 to 1) a client and a volunteer behind these NATs reach each other."""
    pair = (client, volunteer)
    return _PAIRS.get(pair, _PAIRS.get(pair[::-1], _BLOCKED))


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline has come. The first event is a Tick, too: it starts the questions."""


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """A datagram has arrived from `source`."""

    datagram: bytes
    source: Endpoint


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send `datagram` to `target`, from the socket that all questions use."""

    datagram: bytes
    target: Endpoint


@dataclass(frozen=True, slots=True)
class Done:
    """The class of the NAT is `nat`. No effect comes after this one."""

    nat: NatClass


Event = Tick | DatagramReceived
Effect = SendDatagram | Done


class _Step(enum.Enum):
    REACH = "reach"
    """The question: does a server answer?"""
    FILTER = "filter"
    """The question: does a packet from the server's other address reach us?"""
    MAP = "map"
    """The question: does another server see the same address and port of ours?"""
    DONE = "done"


class NatClassifier:
    """Finds out our NAT's class with two STUN servers, or with one that has two addresses.

    With only one server address, the class stays unknown, except where there is no NAT.
    """

    def __init__(
        self, servers: Iterable[Endpoint], local: Endpoint, transaction: Callable[[], bytes]
    ) -> None:
        """`local` is the socket's own address; `transaction` returns 12 random bytes."""
        self._servers = deque(servers)
        self._local = local
        self._new_transaction = transaction
        self._step = _Step.REACH
        self._target: Endpoint | None = None
        self._request = BindingRequest(b"")
        self._tries = 0
        self._deadline: float | None = None
        self._first: BindingResponse | None = None
        """The answer to the step REACH."""
        self._sent_to: set[object] = set()
        """Addresses whose packets the NAT lets in, because we have sent to them."""
        self._is_open = False

    def deadline(self) -> float | None:
        """Return when the next `Tick` is due, in monotonic seconds.

        None before the first `Tick` and after `Done`.
        """
        return self._deadline

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at `now` (monotonic seconds) and return what to do, in order."""
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
        # All tries of this question are over without an answer.
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
            # A packet from an address that we have sent to proves nothing: the NAT lets it in.
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
            # There is no NAT, but there may be a firewall that filters.
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
