from passerelle.core.matching.availability import AvailableVolunteers
from passerelle.core.matching.best import BestVolunteer
from passerelle.core.matching.peers import (
    UNKNOWN_LOCATION,
    ClientProfile,
    PeerLocation,
    PooledVolunteer,
)
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.matching.sample import Draws
from passerelle.core.nat.classifier import NatClass

FRANCE = PeerLocation(country="FR")


def volunteer(
    free: int = 1, load: float = 0, location: PeerLocation = FRANCE, nat: NatClass = NatClass.OPEN
) -> PooledVolunteer:
    return PooledVolunteer(b"A", free, nat, location, VolunteerQuality(0), 0, load)


def search(
    available: AvailableVolunteers, location: PeerLocation = UNKNOWN_LOCATION
) -> PooledVolunteer | None:
    best = BestVolunteer(ClientProfile(location=location), (), None, 0, 0)
    available.search(best, Draws(1))
    return best.volunteer


def test_only_a_volunteer_with_a_free_slot_is_found() -> None:
    available, one = AvailableVolunteers(), volunteer(free=0)
    available.update(one, 0)
    assert (len(available), search(available)) == (0, None)
    one.free = 1
    available.update(one, 0)
    assert (len(available), search(available)) == (1, one)
    assert available.classes == {NatClass.OPEN}
    available.discard(one)
    assert (len(available), search(available)) == (0, None)
    assert available.classes == frozenset()


def test_a_resting_volunteer_is_the_last_one_found_and_its_class_is_not_told() -> None:
    available, tired, poor = AvailableVolunteers(), volunteer(), volunteer()
    for _ in range(9):
        poor.quality.add(0, 1, 0)
    available.rest(tired, 30)
    for each in (tired, poor):
        available.update(each, 0)
    assert search(available) is poor
    available.discard(poor)
    assert (len(available), search(available)) == (1, tired)
    assert available.classes == frozenset()
    available.end_rests(29)
    assert available.classes == frozenset()
    available.end_rests(30)
    assert available.classes == {NatClass.OPEN}


def test_the_end_of_a_rest_brings_back_nobody_who_left_or_has_no_slot() -> None:
    available, left, full = AvailableVolunteers(), volunteer(), volunteer()
    for each in (left, full):
        available.rest(each, 30)
        available.update(each, 0)
    available.discard(left)
    full.free = 0
    available.update(full, 1)
    available.end_rests(30)
    assert len(available) == 0


def test_the_mean_load_is_that_of_ordinary_volunteers() -> None:
    available, poor = AvailableVolunteers(), volunteer(load=90)
    for _ in range(9):
        poor.quality.add(0, 1, 0)
    for each in (volunteer(load=1), volunteer(load=3), poor):
        available.update(each, 0)
    assert available.mean_load() == 0, "nobody was compared yet"
    search(available)
    assert available.mean_load_of(NatClass.OPEN) == 2
    assert available.mean_load_of(NatClass.UNKNOWN) == 0
    assert available.mean_load() == 2


def test_abroad_is_searched_though_nearly_everybody_lives_at_home() -> None:
    available, abroad = AvailableVolunteers(), volunteer(location=PeerLocation(country="DE"))
    for _ in range(2000):
        available.update(volunteer(), 0)
    available.update(abroad, 0)
    assert search(available, FRANCE) is abroad
