import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from passerelle import serverlimits
from passerelle.core.matching.disclosure import DAY_S, FAILED_REST_S
from passerelle.core.matching.peers import ClientProfile, PeerLocation
from passerelle.core.matching.pool import DOUBTED, REST_S, Outcome, Pick, VolunteerPool
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.core.nat.classifier import NatClass

A, B, C, D = (letter.encode() * 8 for letter in "ABCD")
ANYBODY = ClientProfile()
GOOD = LinkExperience(ending=LinkEnding.CLEAN, duration_s=60)
BAD = LinkExperience(ending=LinkEnding.BROKEN)
_seeds = itertools.count(1)


def pool_of(*volunteers: bytes, free: int = 1, **facts: Any) -> VolunteerPool:
    pool = VolunteerPool()
    for volunteer in volunteers:
        pool.add(volunteer, free, 0, **facts)
    return pool


def many(count: int, free: int = 5, **facts: Any) -> VolunteerPool:
    return pool_of(*(n.to_bytes(8, "big") for n in range(count)), free=free, **facts)


def pick(
    pool: VolunteerPool,
    now: float = 0,
    *,
    asking: ClientProfile = ANYBODY,
    avoid: Any = (),
    last_resort: bool = False,
) -> Pick | None:
    # Seeds far apart, as random ones are.
    seed = next(_seeds) * 0x9E37_79B9_7F4A_7C15
    return pool.pick(asking, avoid, now, seed=seed, last_resort=last_resort)


def name(picked: Pick | None) -> bytes | None:
    return None if picked is None else picked.volunteer


def client(number: int = 1, **facts: Any) -> ClientProfile:
    return ClientProfile(key=bytes((93, 184, number)), **facts)


# --- slots ------------------------------------------------------------------------------------


def test_a_pick_reserves_a_slot() -> None:
    pool = pool_of(A, B)
    assert {name(pick(pool)), name(pick(pool))} == {A, B}
    assert pick(pool) is None
    assert pool.available == 0
    assert len(pool) == 2


def test_whoever_was_asked_least_is_next() -> None:
    pool = pool_of(A, B, C, free=9)
    asked = [name(pick(pool)) for _ in range(9)]
    assert Counter(asked) == {A: 3, B: 3, C: 3}
    pool.add(D, 9, 0)
    assert name(pick(pool)) == D


def test_whoever_has_more_room_is_preferred() -> None:
    pool = pool_of(A, free=1)
    pool.add(B, 5, 0)
    assert name(pick(pool)) == B


def test_avoided_volunteers_are_left_alone() -> None:
    pool = pool_of(A, B, C)
    assert name(pick(pool, avoid={A, C})) == B
    assert pick(pool, avoid={A, C}) is None


def test_a_volunteer_without_slots_is_not_picked_until_it_has_some() -> None:
    pool = pool_of(A, free=0)
    assert pool.available == 0
    assert pick(pool) is None
    pool.set_free(A, 1, 2)
    assert name(pick(pool)) == A


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome.ANSWERED, False),
        (Outcome.BUSY, False),
        (Outcome.DECLINED, True),
        (Outcome.WITHDRAWN, True),
        (Outcome.SLOW, True),
        (Outcome.SILENT, True),
    ],
)
def test_what_becomes_of_the_slot_depends_on_the_outcome(outcome: Outcome, again: bool) -> None:
    pool = pool_of(A)
    picked = pick(pool)
    assert picked is not None
    pool.settle(picked, outcome, 2)
    assert (name(pick(pool, 3)) == A) is again
    pool.set_free(A, 2, 4)
    assert name(pick(pool, 5)) == A, "a word from the volunteer counts in any case"


def test_an_answer_takes_one_slot_whenever_the_volunteer_speaks_of_its_slots() -> None:
    """A switch says how many slots are left when it gets an offer, and only then answers."""
    pool = pool_of(A, free=2)
    asked = pick(pool)
    assert asked is not None
    pool.set_free(A, 1, 1)
    pool.settle(asked, Outcome.ANSWERED, 1)
    again = pick(pool)
    assert name(again) == A, "one of its two slots is free"
    assert again is not None
    pool.settle(again, Outcome.ANSWERED, 2)
    assert pick(pool) is None


@pytest.mark.parametrize("outcome", [Outcome.SILENT, Outcome.SLOW])
def test_a_silent_volunteer_rests_behind_the_others_for_a_while(outcome: Outcome) -> None:
    pool = pool_of(A, B, free=2)
    silent = pick(pool, avoid={B})
    assert silent is not None
    pool.settle(silent, outcome, 0)
    first = pick(pool, 1)
    assert name(first) == B
    assert name(pick(pool, 1)) == B
    assert name(pick(pool, 1)) == A, "better a resting one than none"
    pool.set_free(B, 9, 1)
    assert {name(pick(pool, REST_S - 1)) for _ in range(3)} == {B}
    assert name(pick(pool, REST_S, avoid={B})) == A


def test_a_second_silence_prolongs_the_rest_and_a_word_ends_it() -> None:
    pool = pool_of(A, B, free=9)
    for now in (0, 10):
        silent = pick(pool, now, avoid={B})
        assert silent is not None
        pool.settle(silent, Outcome.SILENT, now)
    assert {name(pick(pool, REST_S + 1)) for _ in range(3)} == {B}
    pool.set_free(A, 9, REST_S + 2)
    pool.set_free(B, 0, REST_S + 2)
    assert name(pick(pool, REST_S + 2)) == A


def test_a_removed_volunteer_is_gone_even_with_offers_out() -> None:
    pool = pool_of(A, free=2)
    picked = pick(pool)
    assert picked is not None
    silent = pick(pool)
    assert silent is not None
    pool.settle(silent, Outcome.SILENT, 1)
    pool.remove(A, 1)
    pool.remove(A, 1)
    pool.settle(picked, Outcome.SILENT, 2)
    pool.set_free(A, 5, 3)
    pool.report(A, BAD, 3, expected=1)
    assert A not in pool
    assert len(pool) == pool.available == 0
    assert pick(pool, 100) is None


def test_a_volunteer_cannot_be_in_the_pool_twice() -> None:
    pool = pool_of(A)
    with pytest.raises(ValueError):
        pool.add(A, 1, 1)


def test_a_request_brought_by_hand_is_for_one_volunteer_or_none() -> None:
    """Whatever its network: the two know each other."""
    home = PeerLocation(site=b"abc", country="FR", asn=1)
    pool = pool_of(A, B, C, location=home)
    asking = client(location=home)
    assert name(pool.pick(asking, (), 0, seed=1, only=B)) == B
    assert pool.pick(asking, (), 0, seed=1, only=B) is None, "no slot left"
    assert pool.pick(asking, {C}, 0, seed=1, only=C) is None
    assert pool.pick(asking, (), 0, seed=1, only=D) is None
    assert name(pick(pool, asking=client())) in (A, C)


# --- NAT --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mine", [NatClass.RESTRICTED, NatClass.SYMMETRIC, NatClass.UNKNOWN])
def test_a_client_is_given_whom_it_can_reach(mine: NatClass) -> None:
    pool = VolunteerPool()
    pool.add(A, 5, 0, nat=NatClass.SYMMETRIC)
    pool.add(B, 5, 0, nat=NatClass.OPEN)
    pool.add(C, 5, 0, nat=NatClass.BLOCKED)
    picked = pick(pool, asking=ClientProfile(nat=mine))
    assert name(picked) == B
    assert picked is not None
    assert picked.chance > 0.9


@pytest.mark.parametrize("family", [None, b"F" * 16])
def test_one_without_udp_is_given_to_nobody(family: bytes | None) -> None:
    """Nor is it counted among those that can help, until it is in another network."""
    asking = client(family=family)
    pool = pool_of(A, nat=NatClass.BLOCKED, free=9)
    if family is not None:
        pool.set_family(A, family, 0)
    assert pick(pool, asking=asking) is None
    assert (len(pool), pool.available, pool.classes) == (1, 0, frozenset())
    pool.set_free(A, 9, 1, nat=NatClass.RESTRICTED)
    assert name(pick(pool, 1, asking=asking)) == A
    pool.set_free(A, 9, 2, nat=NatClass.BLOCKED)
    assert pick(pool, 2, asking=asking) is None, "although the client's network knows it"


def test_somebody_who_brings_a_text_to_one_without_udp_gets_its_answer() -> None:
    pool = pool_of(A, nat=NatClass.BLOCKED)
    assert name(pool.pick(ANYBODY, (), 0, seed=1, only=A)) == A


def test_most_volunteers_without_udp_mean_that_the_stun_servers_are_silent() -> None:
    """Their word is doubted then, but one whose network is known is better."""
    pool = many(DOUBTED - 1, nat=NatClass.BLOCKED)
    assert pick(pool) is None
    pool.add(A, 5, 0, nat=NatClass.BLOCKED)
    assert pick(pool) is not None
    assert pool.available == DOUBTED
    assert pool.classes == {NatClass.BLOCKED}
    pool.add(B, 5, 0, nat=NatClass.UNKNOWN)
    assert name(pick(pool)) == B
    for number in range(DOUBTED - 1):
        pool.add(b"BUSY" + bytes((number,)), 0, 0, nat=NatClass.OPEN)
    assert (pick(pool, avoid={B}), pool.available) == (None, 1)


def test_a_pool_tells_where_its_volunteers_are_and_of_which_classes() -> None:
    pool = pool_of(A, B, location=PeerLocation(country="FR"), nat=NatClass.OPEN)
    pool.add(C, 0, 0, location=PeerLocation(country="DE"), nat=NatClass.RESTRICTED)
    pool.add(D, 1, 0, nat=NatClass.UNKNOWN)
    assert pool.countries() == {"FR": 2, "DE": 1}
    assert pool.classes == {NatClass.OPEN, NatClass.UNKNOWN}


def test_a_nat_that_becomes_known_counts_at_once() -> None:
    pool = pool_of(A, B)
    pool.set_free(A, 1, 1, nat=NatClass.OPEN)
    pool.set_free(A, 1, 2)
    assert name(pick(pool, 3, asking=ClientProfile(nat=NatClass.SYMMETRIC))) == A


def test_those_that_everybody_reaches_are_left_to_those_who_need_them() -> None:
    """Else a few of them would be busy with clients who could go anywhere."""
    pool = many(100, free=64, nat=NatClass.RESTRICTED)
    for number in range(10):
        pool.add(b"OPEN" + bytes((number,)), 64, 0, nat=NatClass.OPEN)
    got = Counter(
        (name(pick(pool, asking=ClientProfile(nat=NatClass.RESTRICTED))) or b"")[:4] == b"OPEN"
        for _ in range(1100)
    )
    assert got[True] < 0.2 * got[False]


# --- networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [{"site": b"abc"}, {"asn": 7}], ids=str)
def test_neighbours_are_never_matched(shared: dict[str, Any]) -> None:
    pool = many(200, location=PeerLocation(**shared))
    asking = client(location=PeerLocation(**shared))
    assert pick(pool, asking=asking) is None
    assert pick(pool, asking=client(location=PeerLocation(site=b"xyz", asn=8))) is not None
    pool.add(A, 1, 0, location=PeerLocation(site=b"xyz", asn=8))
    found = [name(pick(pool, asking=asking)) for _ in range(50)]
    assert A in found


def test_the_clients_own_country_is_the_last_choice() -> None:
    """Also when nearly everybody lives there."""
    pool = many(2000, location=PeerLocation(country="FR"))
    asking = ClientProfile(location=PeerLocation(country="FR"))
    assert pick(pool, asking=asking) is not None
    for number, country in enumerate(("DE", "CH", None)):
        pool.add(bytes((number,)), 1, 0, location=PeerLocation(country=country))
    abroad = {name(pick(pool, asking=asking)) for _ in range(3)}
    assert abroad == {bytes((0,)), bytes((1,)), bytes((2,))}
    assert pick(pool, asking=asking) is not None
    assert pool.available > 1900


# --- quality ----------------------------------------------------------------------------------


def test_those_who_fail_are_asked_less_and_those_who_are_proven_more() -> None:
    pool = pool_of(A, B, C, free=64)
    for _ in range(4):
        pool.report(A, BAD, 0, expected=1)
        pool.report(B, GOOD, 0, expected=1)
    shares = Counter(name(pick(pool)) for _ in range(40))
    assert shares[B] > shares[C] > 3 * shares[A]


def test_a_new_name_is_no_new_reputation() -> None:
    pool = VolunteerPool(neighbourhoods=2)
    here = PeerLocation(site=b"bad")
    for number in range(3):
        pool.add(bytes((number,)), 1, 0, location=here)
        pool.report(bytes((number,)), BAD, 0, expected=1)
        pool.remove(bytes((number,)), 0)
    pool.add(A, 9, 0, location=here)
    pool.add(B, 9, 0, location=PeerLocation(site=b"new"))
    assert [name(pick(pool)) for _ in range(2)] == [B, B]
    for site in (b"x", b"y"):
        pool.add(site, 1, 0, location=PeerLocation(site=site))
        pool.remove(site, 0)
    pool.add(C, 9, 0, location=here)
    pool.add(D, 9, 0, location=PeerLocation(site=b"bad again"))
    assert {name(pick(pool, avoid={A, B})) for _ in range(2)} == {C, D}, "networks are forgotten"


def test_silence_counts_against_a_volunteer() -> None:
    pool = pool_of(A, B, free=64)
    silent = pick(pool, avoid={B})
    assert silent is not None
    pool.settle(silent, Outcome.SILENT, 0)
    assert [name(pick(pool, REST_S + 1)) for _ in range(2)] == [B, B]


# --- what a client's network learns -----------------------------------------------------------


def test_one_network_learns_of_a_few_volunteers_a_day() -> None:
    pool = many(500)
    seen: set[bytes | None] = set()
    for now in range(0, int(DAY_S), 600):
        picked = pick(pool, now, asking=client(disclosure_limit=16))
        seen.add(name(picked))
        if picked is not None:
            pool.settle(picked, Outcome.ANSWERED, now)
            pool.set_free(picked.volunteer, 5, now)
    assert len(seen - {None}) <= 16
    other = {name(pick(pool, DAY_S, asking=client(2))) for _ in range(16)}
    assert not other & seen, "another network learns of others"


def test_ever_new_networks_of_one_provider_learn_of_what_their_shares_allow() -> None:
    """A /48 asks from 256 /56, and a /32 from 4,096: each as often as there are volunteers."""
    pool = many(5000, free=64)

    def learned(homes: list[bytes]) -> int:
        seen = set()
        for number, home in enumerate(homes):
            for _ in range(4):
                picked = pick(pool, number, asking=ClientProfile(key=b"6" + home))
                assert picked is not None, "some that it knows are always there"
                seen.add(picked.volunteer)
                pool.settle(picked, Outcome.ANSWERED, number)
                pool.set_free(picked.volunteer, 64, number)
        return len(seen)

    site = bytes.fromhex("2a0014504001")
    assert learned([site + bytes([home]) for home in range(256)]) == 4 * 16
    provider = [site[:4] + number.to_bytes(3, "big") for number in range(0, 1 << 20, 1 << 8)]
    assert 4 * 16 < learned(provider) <= 64 * 16


def test_an_offer_that_was_withdrawn_told_no_wider_network_either() -> None:
    pool = many(100)
    asking = ClientProfile(key=b"6" + bytes(7), disclosure_limit=1)
    for _ in range(200):
        picked = pick(pool, asking=asking)
        assert picked is not None
        assert picked.newly_disclosed == 3
        pool.settle(picked, Outcome.WITHDRAWN, 0)


def test_after_a_day_a_network_learns_of_others() -> None:
    pool = many(100, free=1)
    first = {name(pick(pool, 0, asking=client(disclosure_limit=5))) for _ in range(8)}
    assert len(first - {None}) == 5
    assert pick(pool, DAY_S - 1, asking=client(disclosure_limit=5)) is None
    assert name(pick(pool, DAY_S + 1, asking=client(disclosure_limit=5))) not in first


def test_a_network_is_given_those_it_knows_once_they_are_half_of_what_it_may() -> None:
    """The other half is kept for when they leave."""
    pool = many(500, free=64)
    seen = Counter(name(pick(pool, now, asking=client())) for now in range(16))
    assert 8 <= len(seen) < 12
    for volunteer in seen:
        pool.remove(volunteer or b"", 20)
    after = {name(pick(pool, 21, asking=client())) for _ in range(20)}
    assert None not in after
    assert 1 <= len(after) <= 16 - len(seen)


def test_an_offer_that_was_not_answered_told_the_network_nothing() -> None:
    pool = many(100)
    for _ in range(40):
        picked = pick(pool, asking=client(disclosure_limit=3))
        assert picked is not None
        pool.settle(picked, Outcome.WITHDRAWN, 0)


@pytest.mark.parametrize("last", [Outcome.WITHDRAWN, Outcome.ANSWERED])
def test_what_was_answered_once_is_known_whatever_else_was_withdrawn(last: Outcome) -> None:
    """Two offers to one volunteer at once, of which the first is taken back."""
    pool = many(1, free=2)
    pool.add(B, 0, 0)
    asking = client(disclosure_limit=1)
    first, second = pick(pool, asking=asking), pick(pool, asking=asking)
    assert first is not None
    assert second is not None
    order = [(first, Outcome.WITHDRAWN), (second, Outcome.ANSWERED)]
    for picked, outcome in order if last is Outcome.ANSWERED else reversed(order):
        pool.settle(picked, outcome, 0)
    pool.set_free(B, 1, 0)
    known = name(pick(pool, asking=asking))
    if last is Outcome.ANSWERED:
        assert known == first.volunteer
        assert pick(pool, asking=asking) is None


def test_who_is_known_stays_known_when_a_later_offer_is_withdrawn() -> None:
    pool = many(50, free=9)
    asking = client(disclosure_limit=1)
    for outcome in (Outcome.ANSWERED, Outcome.WITHDRAWN, Outcome.ANSWERED):
        picked = pick(pool, asking=asking)
        assert picked is not None
        pool.settle(picked, outcome, 0)
    assert len({name(pick(pool, asking=asking)) for _ in range(5)}) == 1


def test_a_token_that_allows_many_is_kept_too() -> None:
    pool = many(300, free=1)
    seen = [name(pick(pool, asking=client(disclosure_limit=100))) for _ in range(200)]
    assert len(set(seen) - {None}) == 100


def test_a_network_that_is_not_counted_learns_of_anybody() -> None:
    pool = many(50, free=1)
    assert len({name(pick(pool)) for _ in range(50)}) == 50


# --- failures of one client -------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.SILENT, Outcome.DECLINED])
def test_who_failed_a_client_is_not_given_to_it_again(outcome: Outcome) -> None:
    pool = pool_of(A, B, free=9)
    picked = pick(pool, asking=client(), avoid={B})
    assert picked is not None
    pool.settle(picked, outcome, 0)
    pool.set_free(A, 9, 1)
    later = FAILED_REST_S + 1
    assert {name(pick(pool, later, asking=client())) for _ in range(5)} == {B}
    assert pick(pool, 2, asking=client(), avoid={B}) is None
    assert name(pick(pool, later, asking=client(), avoid={B})) == A, "as long as others are there"
    assert name(pick(pool, later, asking=client(2))) == A


@pytest.mark.parametrize("outcome", [Outcome.SILENT, Outcome.DECLINED])
def test_who_failed_a_client_is_its_last_resort(outcome: Outcome) -> None:
    """After a few seconds, where nobody else is there; and a rest that ends well is the last."""
    pool = pool_of(A, free=9)
    picked = pick(pool, asking=client())
    assert picked is not None
    pool.settle(picked, outcome, 0)
    rest_s = serverlimits.LAST_RESORT_REST_S
    assert pick(pool, rest_s - 1, asking=client(), last_resort=True) is None
    assert pick(pool, rest_s, asking=client()) is None, "others may be there, at other brokers"
    again = pick(pool, rest_s, asking=client(), last_resort=True)
    assert again is not None
    pool.settle(again, Outcome.ANSWERED, rest_s)
    assert name(pick(pool, rest_s, asking=client(), last_resort=True)) == A
    pool.add(B, 9, rest_s)
    for _ in range(5):
        assert name(pick(pool, rest_s, asking=client(), last_resort=True)) == B


def test_a_last_resort_that_never_answers_is_asked_ever_more_seldom() -> None:
    """By a client that asks every second; at most 12 times an hour in the end."""
    pool = pool_of(A, free=9)
    asked = []
    for now in range(3600):
        picked = pick(pool, now, asking=client(), last_resort=True)
        if picked is not None:
            asked.append(now)
            pool.settle(picked, Outcome.SILENT, now)
    assert asked[:7] == [0, 5, 15, 35, 75, 155, 315]
    pauses = [later - now for now, later in itertools.pairwise(asked[7:])]
    assert set(pauses) == {serverlimits.LAST_RESORT_LONGEST_REST_S}
    other = [pick(pool, 3600, asking=client(2)) for _ in range(2)]
    assert [name(each) for each in other] == [A, A], "other networks' clients wait for nothing"


def test_a_last_resort_that_answers_and_leads_nowhere_rests_longer_too() -> None:
    pool = pool_of(A, free=9)
    asking = client()
    for now in (0, 5, 15):
        picked = pick(pool, now, asking=asking, last_resort=True)
        assert picked is not None
        pool.settle(picked, Outcome.ANSWERED, now)
        for _ in range(3):  # one of each lane
            pool.complain(asking, A, now)
        assert pick(pool, now + 4, asking=asking, last_resort=True) is None


def test_who_was_barred_for_a_day_is_the_last_resort_too() -> None:
    pool = pool_of(A, free=9)
    asking = client()
    for now in (0, FAILED_REST_S):
        picked = pick(pool, now, asking=asking)
        assert picked is not None
        pool.settle(picked, Outcome.DECLINED, now)
    later = FAILED_REST_S + 2 * serverlimits.LAST_RESORT_REST_S
    assert pick(pool, later, asking=asking) is None
    assert pick(pool, later - 1, asking=asking, last_resort=True) is None
    assert name(pick(pool, later, asking=asking, last_resort=True)) == A


def test_a_complaint_counts_for_the_client_and_a_little_for_others() -> None:
    pool = pool_of(A, B, free=64)
    asking = client()
    picked = pick(pool, asking=asking, avoid={B})
    assert picked is not None
    pool.settle(picked, Outcome.ANSWERED, 0)
    for _ in range(50):
        pool.complain(asking, A, 0)
    assert {name(pick(pool, 1, asking=asking)) for _ in range(5)} == {B}
    shares = Counter(name(pick(pool, 1)) for _ in range(40))
    assert shares[A] > 10, "one client cannot talk a volunteer down"


def test_whoever_knows_many_complains_of_each_once() -> None:
    """Also when more have failed it than are remembered, and it begins again and again."""
    pool = many(serverlimits.FAILED_VOLUNTEERS + 1)
    asking = client(disclosure_limit=4096)
    while (picked := pick(pool, asking=asking)) is not None:
        pool.settle(picked, Outcome.ANSWERED, 0)
    found = {}
    for round_ in range(20):
        for handle in pool._by_handle:
            pool.complain(asking, handle, 0)
        if not round_:
            found = {handle: each.quality.bad for handle, each in pool._by_handle.items()}
    assert all(found.values())
    assert found == {handle: each.quality.bad for handle, each in pool._by_handle.items()}
    assert all(each.known_by == 0 for each in pool._by_handle.values())


def test_a_complaint_that_is_told_twice_bars_the_volunteer_for_its_rest_only() -> None:
    pool = pool_of(A, free=9)
    asking = client()
    assert name(pick(pool, asking=asking)) == A
    for _ in range(2):
        pool.complain(asking, A, 0)
    assert pick(pool, FAILED_REST_S - 1, asking=asking) is None
    assert name(pick(pool, FAILED_REST_S, asking=asking)) == A, "as long as nobody else is there"


def test_nobody_can_complain_of_a_volunteer_it_was_not_given() -> None:
    pool = pool_of(A, B, free=64)
    for number in range(200):
        pool.complain(client(number), A, 0)
        pool.complain(ANYBODY, A, 0)
    shares = Counter(name(pick(pool, 1)) for _ in range(40))
    assert shares == {A: 20, B: 20}


def test_what_failed_one_client_of_a_shared_key_says_nothing_to_the_others() -> None:
    pool = pool_of(A, free=9)
    asking = ClientProfile(key=b"", key_is_shared=True)
    picked = pick(pool, asking=asking)
    assert picked is not None
    pool.settle(picked, Outcome.SILENT, 0)
    pool.complain(asking, A, 0)
    assert name(pick(pool, 1, asking=asking)) == A


def test_a_complaint_outlives_the_volunteer() -> None:
    pool = pool_of(A)
    asking = client()
    assert name(pick(pool, asking=asking)) == A
    pool.remove(A, 0)
    pool.complain(asking, A, 0)
    pool.add(A, 1, 1)
    assert pick(pool, 2, asking=asking) is None


# --- many -------------------------------------------------------------------------------------


class CountedLooks:
    """Tells how often a pool looks at any volunteer."""

    def __init__(self) -> None:
        self.looks = 0

    def __contains__(self, _volunteer: object) -> bool:
        self.looks += 1
        return False


@pytest.mark.parametrize("count", [100, 10_000, 50_000])
def test_a_pick_looks_at_a_few_however_many_there_are(count: int) -> None:
    pool = many(count, location=PeerLocation(country="FR"))
    avoid = CountedLooks()
    for _ in range(100):
        assert pick(pool, avoid=avoid) is not None
    assert avoid.looks <= 100 * 16
    avoid.looks = 0
    assert (
        pick(pool, avoid=avoid, asking=ClientProfile(location=PeerLocation(country="FR")))
        is not None
    )
    assert avoid.looks <= 200


def test_load_is_even() -> None:
    pool = many(300, free=64)
    counts = Counter(name(pick(pool, now)) for now in range(9000))
    assert len(counts) == 300
    assert max(counts.values()) < 1.5 * 30


class PoolModel(RuleBasedStateMachine):
    """Whatever happens, nobody is asked beyond the slots they declared, nor when avoided."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = VolunteerPool()
        self.now = 0.0
        self.free: dict[bytes, int] = {}
        self.said: dict[bytes, int] = {}
        """How many times each volunteer said how many slots it has."""
        self.out: dict[bytes, list[tuple[Pick, int]]] = {}
        """The open picks of each volunteer, each with `said` when it was made."""

    names = st.sampled_from((A, B, C, D))
    nats = st.sampled_from([nat for nat in NatClass if nat is not NatClass.BLOCKED])

    @rule(seconds=st.floats(0, 40_000))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(volunteer=names, free=st.integers(0, 3), nat=nats)
    def add_or_ready(self, volunteer: bytes, free: int, nat: NatClass) -> None:
        if volunteer in self.free:
            self.pool.set_free(volunteer, free, self.now, nat=nat)
            self.said[volunteer] += 1
        else:
            location = PeerLocation(site=volunteer[:1], country="FR")
            self.pool.add(volunteer, free, self.now, nat=nat, location=location)
            self.out[volunteer] = []
            self.said[volunteer] = 0
        self.free[volunteer] = free

    @rule(volunteer=names)
    def remove(self, volunteer: bytes) -> None:
        self.pool.remove(volunteer, self.now)
        self.free.pop(volunteer, None)
        for lost, _ in self.out.pop(volunteer, []):
            self.pool.settle(lost, Outcome.WITHDRAWN, self.now)

    @rule(avoid=st.sets(names), seed=st.integers(0, 2**64 - 1), nat=nats)
    def pick(self, avoid: set[bytes], seed: int, nat: NatClass) -> None:
        could = {n for n, free in self.free.items() if free > len(self.out[n])} - avoid
        picked = self.pool.pick(ClientProfile(nat=nat), avoid, self.now, seed=seed)
        assert (picked is None) == (not could)
        if picked is not None:
            assert picked.volunteer in could
            self.out[picked.volunteer].append((picked, self.said[picked.volunteer]))

    @rule(volunteer=names, outcome=st.sampled_from(Outcome))
    def settle(self, volunteer: bytes, outcome: Outcome) -> None:
        if not self.out.get(volunteer):
            return
        picked, said = self.out[volunteer].pop()
        self.pool.settle(picked, outcome, self.now)
        if outcome is Outcome.ANSWERED and said == self.said[volunteer]:
            self.free[volunteer] = max(0, self.free[volunteer] - 1)
        elif outcome is Outcome.BUSY:
            self.free[volunteer] = 0

    @rule(volunteer=names, ending=st.sampled_from(LinkEnding))
    def report(self, volunteer: bytes, ending: LinkEnding) -> None:
        self.pool.report(
            volunteer, LinkExperience(ending=ending, duration_s=9), self.now, expected=0.9
        )

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.pool) == len(self.free)
        assert self.pool.available == sum(f > len(self.out[n]) for n, f in self.free.items())


TestPoolModel = PoolModel.TestCase
