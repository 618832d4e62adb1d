from passerelle import limits
from passerelle.broker.limiter import RequestLimiter
from tests.broker.parties import config

A, B = b"abc", b"xyz"


def test_a_network_may_ask_so_much_and_another_is_not_hindered() -> None:
    limiter = RequestLimiter(config())
    rate = (3.0, 1.0)
    assert [limiter.is_within_rate(A, rate, 0) for _ in range(4)] == [True, True, True, False]
    assert limiter.is_within_rate(B, rate, 0)
    assert limiter.is_within_rate(A, rate, 1)
    assert all(limiter.is_within_rate(None, rate, 0) for _ in range(100))


def test_a_flood_is_told_before_anything_is_opened() -> None:
    limiter = RequestLimiter(config(network_flood=(2.0, 0.0)))
    assert [limiter.is_flood(A, 0) for _ in range(3)] == [False, False, True]
    assert not limiter.is_flood(B, 0)
    assert not any(limiter.is_flood(None, 0) for _ in range(100))


def test_a_limited_number_of_networks_is_counted() -> None:
    limiter = RequestLimiter(config(network_flood=(1.0, 0.0)), networks=2)
    assert not limiter.is_flood(A, 0)
    assert not limiter.is_flood(B, 0)
    assert limiter.is_flood(A, 0)
    assert not limiter.is_flood(b"new", 0), "in place of B, who asked least recently"
    assert limiter.is_flood(A, 0)
    assert not limiter.is_flood(B, 0)


def test_one_network_cannot_take_all_the_room() -> None:
    limiter = RequestLimiter(config(pending_offers=10, network_offers=4))
    with limiter.count_pending(A, 4):
        assert limiter.pending_offers == 4
        assert not limiter.has_room_for(A, 1)
        assert limiter.has_room_for(B, 4)
        with limiter.count_pending(None, 6):
            assert not limiter.has_room_for(B, 1)
            assert not limiter.has_room_for(None, 1)
    assert limiter.pending_offers == 0
    assert limiter.has_room_for(A, 4)


def test_a_proof_is_the_harder_the_fuller_it_is() -> None:
    limiter = RequestLimiter(config(proof_bits=18))
    assert [limiter.proof_bits(share) for share in (0, 0.5, 0.75, 1, 9)] == [18, 18, 20, 22, 22]
    assert RequestLimiter(config(proof_bits=25)).proof_bits(1) == limits.PROOF_BITS
