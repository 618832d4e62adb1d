from passerelle import limits
from passerelle.broker.gate import Gate
from tests.broker.parties import config

A, B = b"abc", b"xyz"


def test_a_network_may_ask_so_much_and_another_is_not_hindered() -> None:
    gate = Gate(config())
    rate = (3.0, 1.0)
    assert [gate.is_usual(A, rate, 0) for _ in range(4)] == [True, True, True, False]
    assert gate.is_usual(B, rate, 0)
    assert gate.is_usual(A, rate, 1)
    assert all(gate.is_usual(None, rate, 0) for _ in range(100))


def test_a_flood_is_told_before_anything_is_opened() -> None:
    gate = Gate(config(network_flood=(2.0, 0.0)))
    assert [gate.is_flood(A, 0) for _ in range(3)] == [False, False, True]
    assert not gate.is_flood(B, 0)
    assert not any(gate.is_flood(None, 0) for _ in range(100))


def test_a_limited_number_of_networks_is_counted() -> None:
    gate = Gate(config(network_flood=(1.0, 0.0)), networks=2)
    assert not gate.is_flood(A, 0)
    assert not gate.is_flood(B, 0)
    assert gate.is_flood(A, 0)
    assert not gate.is_flood(b"new", 0), "in place of B, who asked least recently"
    assert gate.is_flood(A, 0)
    assert not gate.is_flood(B, 0)


def test_one_network_cannot_take_all_the_room() -> None:
    gate = Gate(config(pending_offers=10, network_offers=4))
    with gate.waiting(A, 4):
        assert gate.pending == 4
        assert not gate.has_room(A, 1)
        assert gate.has_room(B, 4)
        with gate.waiting(None, 6):
            assert not gate.has_room(B, 1)
            assert not gate.has_room(None, 1)
    assert gate.pending == 0
    assert gate.has_room(A, 4)


def test_a_proof_is_the_harder_the_fuller_it_is() -> None:
    gate = Gate(config(proof_bits=18))
    assert [gate.proof_bits(share) for share in (0, 0.5, 0.75, 1, 9)] == [18, 18, 20, 22, 22]
    assert Gate(config(proof_bits=25)).proof_bits(1) == limits.PROOF_BITS
