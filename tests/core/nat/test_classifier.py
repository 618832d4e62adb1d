from __future__ import annotations

import itertools
from ipaddress import ip_address
from itertools import product

import pytest

from passerelle.core.nat.classifier import (
    RETRIES_S,
    DatagramReceived,
    Done,
    NatClass,
    NatClassifier,
    SendDatagram,
    Tick,
    chance,
)
from passerelle.core.nat.stun_server import SocketIndex, StunServer
from passerelle.wire import stun
from passerelle.wire.stun import BindingRequest, BindingResponse, Endpoint

PAIRS = list(product(NatClass, NatClass))
REACHED = [NatClass.OPEN, NatClass.RESTRICTED, NatClass.SYMMETRIC, NatClass.BLOCKED]
"""The known classes, from the one most easily reached to the one least easily reached."""


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_chance_is_a_probability_and_the_same_both_ways(one: NatClass, other: NatClass) -> None:
    """The chance is a probability, and does not depend on which of the two NATs is the client's."""
    assert 0 <= chance(one, other) <= 1
    assert chance(one, other) == chance(other, one)


@pytest.mark.parametrize("other", NatClass)
def test_a_more_open_nat_is_never_worse(other: NatClass) -> None:
    """The chance falls in the order of the classes, whatever the other side's class is."""
    chances = [chance(nat, other) for nat in REACHED]
    assert chances == sorted(chances, reverse=True)


def test_the_unknown_lie_between_the_best_and_the_worst() -> None:
    """The chance of an unknown class lies between those of the best and the worst class."""
    for other in (NatClass.OPEN, NatClass.RESTRICTED, NatClass.SYMMETRIC):
        assert chance(NatClass.SYMMETRIC, other) < chance(NatClass.UNKNOWN, other)
        assert chance(NatClass.UNKNOWN, other) < chance(NatClass.OPEN, other)


def test_a_blocked_network_is_the_last_choice() -> None:
    """A blocked network has the smallest chance, as a DataChannel needs UDP, but not 0."""
    worst = min(chance(*pair) for pair in PAIRS if NatClass.BLOCKED not in pair)
    assert all(0 < chance(NatClass.BLOCKED, other) < worst for other in NatClass)


class Nat:
    """A simulated NAT with one client behind it and STUN servers outside.

    `mapping` and `filtering` say what they depend on, as in RFC 4787: "endpoint" for the client's
    own endpoint only, or the far "address" or "port".
    """

    INSIDE = Endpoint(ip_address("192.168.1.2"), 5000)
    OUTSIDE = ip_address("203.0.113.7")

    def __init__(self, mapping: str, filtering: str, *, addresses: int = 2, second: bool = True):
        self.mapping = mapping
        self.filtering = filtering
        self.ports: dict[object, int] = {}
        self.allowed: set[object] = set()
        a, b = (ip_address(f"198.51.100.{n}") for n in (1, 2))
        sockets = {SocketIndex(0, 0): Endpoint(a, 3478), SocketIndex(0, 1): Endpoint(a, 3479)}
        if addresses > 1:
            sockets |= {SocketIndex(1, 0): Endpoint(b, 3478), SocketIndex(1, 1): Endpoint(b, 3479)}
        far = {SocketIndex(0, 0): Endpoint(ip_address("198.51.100.9"), 3478)}
        self.machines = [(sockets, StunServer(dict(sockets))), (far, StunServer(dict(far)))]
        self.servers = [Endpoint(a, 3478), *([far[SocketIndex(0, 0)]] if second else [])]
        self.silent: set[object] = set()

    def pass_out(self, target: Endpoint) -> Endpoint:
        """Return the source address of a packet to `target`, as the target sees it."""
        if self.mapping == "none":
            return self.INSIDE
        key = self._key(self.mapping, target)
        return Endpoint(self.OUTSIDE, self.ports.setdefault(key, 6000 + len(self.ports)))

    def lets_in(self, source: Endpoint) -> bool:
        return self.filtering == "endpoint" or self._key(self.filtering, source) in self.allowed

    @staticmethod
    def _key(by: str, far: Endpoint) -> object:
        return {"none": None, "endpoint": None, "address": far.address, "port": far}[by]

    def exchange(self, send: SendDatagram) -> DatagramReceived | None:
        """Deliver a datagram to its server; return the answer if it comes back through the NAT."""
        mapped = self.pass_out(send.target)
        self.allowed.add(self._key(self.filtering, send.target))
        if send.target.address in self.silent:
            return None
        for sockets, server in self.machines:
            for index, here in sockets.items():
                if here == send.target:
                    found = server.answer(index, send.datagram, mapped, 0.0)
                    if found is None or not self.lets_in(sockets[found[0]]):
                        return None
                    return DatagramReceived(found[1], sockets[found[0]])
        return None

    def classify(self) -> tuple[NatClass, float]:
        """Return the class found and the seconds it took, if every answer comes at once."""
        numbers = itertools.count()
        machine = NatClassifier(self.servers, self.INSIDE, lambda: next(numbers).to_bytes(12))
        assert machine.deadline() is None
        now, effects = 0.0, machine.handle(Tick(), 0.0)
        while True:
            (effect,) = effects
            if isinstance(effect, Done):
                assert machine.deadline() is None
                assert machine.handle(Tick(), now) == []
                return effect.nat, now
            answer = self.exchange(effect)
            if answer is None:
                deadline = machine.deadline()
                assert deadline is not None
                now = deadline
            effects = machine.handle(answer or Tick(), now)


@pytest.mark.parametrize(
    ("mapping", "filtering", "nat"),
    [
        ("none", "endpoint", NatClass.OPEN),
        ("none", "port", NatClass.RESTRICTED),
        ("endpoint", "endpoint", NatClass.OPEN),
        ("endpoint", "address", NatClass.RESTRICTED),
        ("endpoint", "port", NatClass.RESTRICTED),
        ("address", "port", NatClass.SYMMETRIC),
        ("port", "port", NatClass.SYMMETRIC),
        ("port", "endpoint", NatClass.SYMMETRIC),
    ],
)
@pytest.mark.parametrize("second", [True, False])
def test_classes_by_behaviour(mapping: str, filtering: str, nat: NatClass, second: bool) -> None:
    """One server with two addresses, with or without a second server, tells the class."""
    assert Nat(mapping, filtering, second=second).classify()[0] is nat


@pytest.mark.parametrize(
    ("mapping", "filtering", "nat"),
    [
        # Without a second address nothing is known about the filter, so the worse class is assumed.
        ("endpoint", "endpoint", NatClass.RESTRICTED),
        ("endpoint", "port", NatClass.RESTRICTED),
        ("port", "port", NatClass.SYMMETRIC),
    ],
)
def test_two_servers_of_one_address_each_tell_the_mapping(
    mapping: str, filtering: str, nat: NatClass
) -> None:
    """Two servers with one address each, as in most networks, tell the mapping only."""
    assert Nat(mapping, filtering, addresses=1).classify()[0] is nat


def test_one_plain_server_tells_little() -> None:
    """A single server with one address leaves the class unknown, as it cannot show the mapping."""
    nat = Nat("endpoint", "endpoint", second=False)
    nat.machines[0] = ({SocketIndex(0, 0): nat.servers[0]}, StunServer({SocketIndex(0, 0): None}))
    assert nat.classify()[0] is NatClass.UNKNOWN


def test_an_address_we_sent_to_proves_nothing() -> None:
    """An answer from an address that we have sent to before does not show an open filter."""
    nat = Nat("endpoint", "address")
    a, b = Endpoint(ip_address("198.51.100.1"), 3478), Endpoint(ip_address("198.51.100.2"), 3478)
    nat.servers = [b._replace(port=9), Endpoint(a.address, 3478)]
    assert nat.classify()[0] is NatClass.RESTRICTED


def test_a_silent_first_server_is_passed_over() -> None:
    """A silent first server is passed over; the next one alone cannot show the mapping."""
    nat = Nat("endpoint", "port")
    nat.silent.add(nat.servers[0].address)
    assert nat.classify() == (NatClass.UNKNOWN, sum(RETRIES_S))


def test_a_silent_second_server_leaves_the_class_unknown() -> None:
    """If the second server is silent, the class is unknown: this says nothing about the NAT."""
    nat = Nat("endpoint", "endpoint")
    nat.silent.add(nat.servers[1].address)
    assert nat.classify()[0] is NatClass.UNKNOWN


def test_silence_everywhere_is_a_blocked_network() -> None:
    """If no server answers three tries each, the network is blocked, which takes three seconds."""
    nat = Nat("endpoint", "port")
    nat.silent.update(server.address for server in nat.servers)
    assert nat.classify() == (NatClass.BLOCKED, 2 * sum(RETRIES_S))


def test_without_servers_nothing_is_known() -> None:
    """Without servers nothing is sent, and the class is unknown."""
    machine = NatClassifier([], Nat.INSIDE, bytes)
    assert machine.handle(Tick(), 0.0) == [Done(NatClass.UNKNOWN)]


def test_strangers_are_not_listened_to() -> None:
    """Garbage, requests, and answers to other questions change nothing."""
    nat = Nat("endpoint", "endpoint")
    machine = NatClassifier(nat.servers, Nat.INSIDE, lambda: b"t" * 12)
    early = DatagramReceived(stun.encode(BindingResponse(b"", Nat.INSIDE)), nat.servers[0])
    assert machine.handle(early, 0.0) == []
    (send,) = machine.handle(Tick(), 0.0)
    assert isinstance(send, SendDatagram)
    for datagram in (
        b"",
        stun.encode(BindingRequest(b"t" * 12)),
        stun.encode(BindingResponse(b"u" * 12, Nat.INSIDE)),
    ):
        assert machine.handle(DatagramReceived(datagram, nat.servers[0]), 0.1) == []
    assert machine.deadline() == RETRIES_S[0]
    assert machine.handle(Tick(), RETRIES_S[0]) == [send]
