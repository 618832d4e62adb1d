import pytest

from passerelle.core.matching.best import BestVolunteer
from passerelle.core.matching.disclosure import DisclosureRecord
from passerelle.core.matching.peers import ClientProfile, PeerLocation, PooledVolunteer
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.nat.classifier import NatClass

A, B = b"A" * 8, b"B" * 8


def volunteer(
    handle: bytes = A, *, free: int = 5, load: float = 0, **facts: object
) -> PooledVolunteer:
    made = PooledVolunteer(
        handle, free, NatClass.OPEN, PeerLocation(), VolunteerQuality(0), 0, load
    )
    for fact, value in facts.items():
        setattr(made, fact, value)
    return made


def better(
    one: PooledVolunteer,
    other: PooledVolunteer,
    client: ClientProfile | None = None,
    known: DisclosureRecord | None = None,
    *,
    mean_load: float = 0,
) -> PooledVolunteer | None:
    """Which of two is chosen, whatever their order."""
    found = []
    for volunteers in ((one, other), (other, one)):
        best = BestVolunteer(client or ClientProfile(), (), known, mean_load, 0)
        best.see_all(volunteers)
        found.append(best.volunteer)
    assert found[0] is found[1]
    return found[0]


def test_far_above_the_mean_even_the_best_is_left_alone() -> None:
    good, stranger = volunteer(load=9), volunteer(B, load=3)
    for _ in range(20):
        good.quality.add(1, 1, 0)
    assert better(good, stranger, mean_load=3) is stranger
    assert better(good, volunteer(B, load=9), mean_load=9) is good


def test_of_strangers_those_are_preferred_whom_fewer_others_know() -> None:
    client, known = ClientProfile(key=b"x"), DisclosureRecord()
    popular, quiet = volunteer(known_by=2), volunteer(B, load=0.5)
    assert better(popular, quiet, client, known) is quiet
    known.disclose(A, 0)
    assert better(popular, quiet, client, known) is popular


def test_faults_weigh_more_than_merits() -> None:
    home = PeerLocation(country="FR")
    client = ClientProfile(location=home, key=b"x")
    neighbour, resting, failed = volunteer(location=home), volunteer(resting_until=9.0), volunteer()
    loaded = volunteer(B, load=50)
    failing = DisclosureRecord()
    failing.add_failure(A, -1000, 9)
    assert better(neighbour, loaded, client) is loaded
    assert better(resting, neighbour, client) is neighbour
    assert better(failed, volunteer(B, resting_until=9.0), client, failing) is not failed


@pytest.mark.parametrize("country", [None, "FR"])
def test_what_is_not_known_is_no_fault(country: str | None) -> None:
    best = BestVolunteer(ClientProfile(location=PeerLocation(country=country)), (), None, 0, 0)
    best.see(volunteer())
    assert best.faultless


def test_nothing_seen_nothing_chosen() -> None:
    best = BestVolunteer(ClientProfile(), {A}, None, 0, 0)
    best.see(volunteer())
    assert best.volunteer is None
    assert not best.faultless
