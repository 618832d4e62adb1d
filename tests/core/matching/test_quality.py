import pytest

from passerelle.core.matching.quality import (
    HALF_LIFE_S,
    LASTING_S,
    RATED_BYTES,
    LinkEnding,
    LinkExperience,
    NeighbourhoodQuality,
    VolunteerQuality,
)


@pytest.mark.parametrize("ending", [LinkEnding.UNUSED, LinkEnding.BROKEN])
def test_a_link_that_was_no_use_is_worth_nothing(ending: LinkEnding) -> None:
    assert (
        LinkExperience(ending=ending, duration_s=1000, bytes=10**9, rate_bytes_s=10**9).worth == 0
    )


def test_a_link_that_broke_is_worth_the_more_the_longer_it_lasted() -> None:
    assert LinkExperience(ending=LinkEnding.LOST).worth == 0
    assert LinkExperience(ending=LinkEnding.LOST, duration_s=LASTING_S).worth == 0.5
    assert LinkExperience(ending=LinkEnding.LOST, duration_s=3600).worth > 0.95
    assert LinkExperience(ending=LinkEnding.CLEAN, duration_s=1).worth == 1


def test_a_slow_link_is_worth_less_once_its_rate_is_known() -> None:
    def worth(size: int, rate_bytes_s: float) -> float:
        return LinkExperience(ending=LinkEnding.CLEAN, bytes=size, rate_bytes_s=rate_bytes_s).worth

    assert worth(RATED_BYTES - 1, 1) == 1
    assert worth(RATED_BYTES, 0) == 0.5
    assert worth(RATED_BYTES, 62_500) == 0.75
    assert worth(RATED_BYTES, 10**7) == 1


def test_a_stranger_lies_between_good_and_bad() -> None:
    stranger, good, bad = VolunteerQuality(0), VolunteerQuality(0), VolunteerQuality(0)
    for _ in range(5):
        good.add(1, 1, 0)
    bad.add(0, 1, 0)
    assert bad.value(0) < stranger.value(0) < good.value(0)


def test_who_fails_as_often_as_was_to_be_expected_is_as_good_as_any_other() -> None:
    """A volunteer is not to blame for its NAT."""
    values = []
    for expected in (0.25, 0.5, 0.75):
        quality = VolunteerQuality(0)
        for _ in range(round(400 * expected)):
            quality.add(1, expected, 0)
        for _ in range(round(400 * (1 - expected))):
            quality.add(0, expected, 0)
        values.append(quality.value(0))
    assert max(values) - min(values) < 0.02


def test_a_failure_that_was_to_be_expected_says_little() -> None:
    unlikely, likely = VolunteerQuality(0), VolunteerQuality(0)
    unlikely.add(0, 0.1, 0)
    likely.add(0, 0.9, 0)
    assert VolunteerQuality(0).value(0) > unlikely.value(0) > likely.value(0)


def test_experience_fades() -> None:
    bad = VolunteerQuality(0)
    for _ in range(3):
        bad.add(0, 1, 0)
    values = [bad.value(age * HALF_LIFE_S) for age in range(20)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(VolunteerQuality(0).value(0), abs=0.001)
    once = bad.bad / 3
    bad.add(0, 1, 2 * HALF_LIFE_S)
    assert bad.bad == pytest.approx(once * 3 / 4 + once)


def test_a_newcomer_inherits_a_part_only() -> None:
    neighbours, one = VolunteerQuality(0), VolunteerQuality(0)
    for _ in range(1000):
        one.add(1, 1, 0)
    neighbours.absorb(one, 0)
    assert neighbours.good == 6
    one = VolunteerQuality(0)
    one.add(0, 1, 0)
    for _ in range(20):
        neighbours.absorb(one, 0)
    assert neighbours.value(0) < 0.4, "what the neighbours do now outweighs what they did"


def test_a_newcomer_is_expected_to_be_as_its_neighbours_were() -> None:
    table, bad, stranger = NeighbourhoodQuality(2), VolunteerQuality(0), VolunteerQuality(0)
    for _ in range(3):
        bad.add(0, 1, 0)
    table.remember(b"bad", bad, 0)
    table.remember(None, bad, 0)
    assert table.newcomer(b"bad", 0).value(0) < stranger.value(0)
    assert table.newcomer(b"other", 0).value(0) == stranger.value(0)
    assert table.newcomer(None, 0).value(0) == stranger.value(0)


def test_good_experience_counts_again_after_a_restart() -> None:
    """A volunteer that comes back from its network is above a stranger."""
    table, good, stranger = NeighbourhoodQuality(2), VolunteerQuality(0), VolunteerQuality(0)
    for _ in range(3):
        good.add(1, 1, 0)
    table.remember(b"home", good, 0)
    assert table.newcomer(b"home", 0).value(0) > stranger.value(0)
    assert table.newcomer(b"elsewhere", 0).value(0) == stranger.value(0)


def test_the_neighbourhood_that_was_added_to_least_recently_is_forgotten() -> None:
    table, bad, stranger = NeighbourhoodQuality(2), VolunteerQuality(0), VolunteerQuality(0)
    bad.add(0, 1, 0)
    for site in (b"one", b"two", b"one", b"three"):
        table.remember(site, bad, 0)
    assert table.newcomer(b"one", 0).value(0) < stranger.value(0)
    assert table.newcomer(b"two", 0).value(0) == stranger.value(0)
