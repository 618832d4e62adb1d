from passerelle import limits
from passerelle.broker.limiter import RequestLimiter
from passerelle.core.origin import UNKNOWN
from tests.broker.parties import config

A, B, C = b"4abc", b"4xyz", b"4new"


def test_a_network_may_ask_so_much_and_another_is_not_hindered() -> None:
    limiter = RequestLimiter(config())
    rate = (3.0, 1.0)
    assert [limiter.is_within_rate(A, rate, 0) for _ in range(4)] == [True, True, True, False]
    assert limiter.is_within_rate(B, rate, 0)
    assert limiter.is_within_rate(A, rate, 1)


def test_a_flood_is_told_before_anything_is_opened() -> None:
    limiter = RequestLimiter(config(network_flood=(2.0, 0.0)))
    assert [limiter.is_flood(A, 0) for _ in range(3)] == [False, False, True]
    assert not limiter.is_flood(B, 0)


def test_those_of_whom_nothing_is_known_are_counted_together() -> None:
    """They have the shares of a crowd, and never as much as they like."""
    limiter = RequestLimiter(config(network_flood=(2.0, 0.0)))
    taken = [limiter.is_flood(UNKNOWN, 0) for _ in range(200)]
    assert taken == [False] * 128 + [True] * 72


def test_ever_new_networks_of_one_site_are_counted_for_the_site() -> None:
    limiter = RequestLimiter(config(network_flood=(1.0, 0.0)))
    asked = [limiter.is_flood(b"6" + bytes(6) + bytes([home]), 0) for home in range(256)]
    assert asked == [False] * limits.SITE_SHARES + [True] * (256 - limits.SITE_SHARES)
    assert not limiter.is_flood(b"6" + bytes(5) + b"\1\0", 0), "another site"


def test_a_limited_number_of_networks_is_counted() -> None:
    limiter = RequestLimiter(config(network_flood=(1.0, 0.0)), networks=2)
    assert not limiter.is_flood(A, 0)
    assert not limiter.is_flood(B, 0)
    assert limiter.is_flood(A, 0)
    assert not limiter.is_flood(C, 0), "in place of B, who asked least recently"
    assert limiter.is_flood(A, 0)
    assert not limiter.is_flood(B, 0)


def test_one_network_cannot_take_all_the_room() -> None:
    limiter = RequestLimiter(config(pending_offers=10, network_offers=4))
    with limiter.count_pending(A, 4):
        assert limiter.pending_offers == 4
        assert not limiter.has_room_for(A, 1)
        assert limiter.has_room_for(B, 4)
        with limiter.count_pending(UNKNOWN, 6):
            assert not limiter.has_room_for(B, 1)
            assert not limiter.has_room_for(UNKNOWN, 1)
    assert limiter.pending_offers == 0
    assert limiter.has_room_for(A, 4)


def test_a_proof_is_the_harder_the_fuller_it_is() -> None:
    limiter = RequestLimiter(config(proof_bits=18))
    assert [limiter.proof_bits(share) for share in (0, 0.5, 0.75, 1, 9)] == [18, 18, 20, 22, 22]
    assert RequestLimiter(config(proof_bits=25)).proof_bits(1) == limits.PROOF_BITS
