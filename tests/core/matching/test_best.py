import pytest

from passerelle.core.matching.best import (
    LOAD_HALF_LIFE_S,
    BestVolunteer,
    Origin,
    PooledVolunteer,
    Seeker,
    decayed,
)
from passerelle.core.matching.disclosure import Acquaintance
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.nat.classifier import NatClass

A, B = b"A" * 8, b"B" * 8


def entry(handle: bytes = A, *, free: int = 5, load: float = 0, **facts: object) -> PooledVolunteer:
    made = PooledVolunteer(handle, free, NatClass.OPEN, Origin(), VolunteerQuality(0), 0, load)
    for fact, value in facts.items():
        setattr(made, fact, value)
    return made


def better(
    one: PooledVolunteer,
    other: PooledVolunteer,
    seeker: Seeker | None = None,
    known: Acquaintance | None = None,
    *,
    mean_load: float = 0,
) -> PooledVolunteer | None:
    """Which of two is chosen, whatever their order."""
    found = []
    for entries in ((one, other), (other, one)):
        choice = BestVolunteer(seeker or Seeker(), (), known, mean_load, 0)
        choice.see_all(entries)
        found.append(choice.best)
    assert found[0] is found[1]
    return found[0]


def test_load_fades() -> None:
    assert decayed(0) == 1
    assert decayed(LOAD_HALF_LIFE_S) == 0.5
    assert entry(load=8).load_at(3 * LOAD_HALF_LIFE_S) == 1


def test_far_above_the_mean_even_the_best_is_left_alone() -> None:
    good, stranger = entry(load=9), entry(B, load=3)
    for _ in range(20):
        good.quality.add(1, 1, 0)
    assert better(good, stranger, mean_load=3) is stranger
    assert better(good, entry(B, load=9), mean_load=9) is good


def test_of_strangers_those_are_preferred_whom_fewer_others_know() -> None:
    seeker, known = Seeker(key=b"x"), Acquaintance()
    popular, quiet = entry(known_by=2), entry(B, load=0.5)
    assert better(popular, quiet, seeker, known) is quiet
    known.learn(A, 0)
    assert better(popular, quiet, seeker, known) is popular


def test_faults_weigh_more_than_merits() -> None:
    home = Origin(country="FR")
    seeker = Seeker(origin=home, key=b"x")
    neighbour, resting, failed = entry(origin=home), entry(resting_until=9.0), entry()
    loaded = entry(B, load=50)
    failing = Acquaintance()
    failing.fail(A, -1000, 9)
    assert better(neighbour, loaded, seeker) is loaded
    assert better(resting, neighbour, seeker) is neighbour
    assert better(failed, entry(B, resting_until=9.0), seeker, failing) is not failed


@pytest.mark.parametrize("country", [None, "FR"])
def test_what_is_not_known_is_no_fault(country: str | None) -> None:
    choice = BestVolunteer(Seeker(origin=Origin(country=country)), (), None, 0, 0)
    choice.see(entry())
    assert choice.flawless


def test_nothing_seen_nothing_chosen() -> None:
    choice = BestVolunteer(Seeker(), {A}, None, 0, 0)
    choice.see(entry())
    assert choice.best is None
    assert not choice.flawless
