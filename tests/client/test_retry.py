"""When a client asks for volunteers again, with a clock and a chance that are given."""

from __future__ import annotations

import pytest

from passerelle.client.retry import RetryPolicy

FIRST_S = (1.0, 8.0)
SPARE_S = (10.0, 80.0)
URGENT_S = 3.0
DOOR_S = (4000.0, 16_000.0)
CERTAIN = 1.0
"""The chance for which a pause is as long as it may be."""


class Clock:
    """A policy, and a time that passes as a test says."""

    def __init__(self) -> None:
        self.policy = RetryPolicy(
            first_s=FIRST_S, spare_s=SPARE_S, urgent_s=URGENT_S, door_s=DOOR_S
        )
        self.now = 100.0

    def request(
        self,
        *,
        found_all: bool = False,
        spare: bool = False,
        least_s: float = 0,
        by_door: bool = False,
    ) -> float:
        """End a request; return the pause after it."""
        return self.policy.request_ended(
            found_all=found_all,
            only_spares=spare,
            least_s=least_s,
            by_door=by_door,
            now=self.now,
            chance=CERTAIN,
        )

    def wait_s(self, *, spare: bool = False, urgent: bool = False) -> float:
        return self.policy.wait_s(only_spares=spare, urgent=urgent, now=self.now, chance=CERTAIN)

    def links(self, count: int) -> None:
        self.policy.links_changed(count, now=self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_request_is_due_at_once(clock: Clock) -> None:
    """A client that starts does not wait."""
    assert clock.wait_s() == 0


def test_a_request_that_found_everybody_is_followed_by_no_pause(clock: Clock) -> None:
    """A client that misses more than one request may ask for makes the next one at once."""
    assert clock.request(found_all=True) == 0
    assert clock.wait_s() == 0


def test_without_a_link_the_pauses_are_short_and_double(clock: Clock) -> None:
    """The short pauses double up to the longest of them."""
    assert [clock.request() for _ in range(5)] == [1, 2, 4, 8, 8]


def test_for_spares_the_pauses_are_long_and_double(clock: Clock) -> None:
    """The long pauses double on their own, whatever the short ones are at."""
    clock.request()
    assert [clock.request(spare=True) for _ in range(5)] == [10, 20, 40, 80, 80]
    assert clock.request() == 2


def test_for_spares_through_a_door_the_pauses_take_hours(clock: Clock) -> None:
    """Its owner pays for each request. Without any link the client asks as soon as otherwise."""
    assert clock.request(spare=True, by_door=True) == 4000
    clock.now += 1000
    assert clock.wait_s(spare=True) == 3000
    assert clock.wait_s() == 1
    assert clock.request(by_door=True) == 2
    assert [clock.request(spare=True, by_door=True) for _ in range(3)] == [8000, 16_000, 16_000]
    assert clock.request(spare=True) == 80


def test_a_door_is_not_asked_at_once_for_the_rest(clock: Clock) -> None:
    """More volunteers may be missing than one request may ask for; the first ones do."""
    assert clock.request(found_all=True, spare=True, by_door=True) == 4000
    assert clock.request(found_all=True, by_door=True) == 0


def test_chance_shortens_a_pause_to_a_quarter_at_most(clock: Clock) -> None:
    """Clients that lost their volunteers together neither come back together nor at once."""
    ended = clock.policy.request_ended
    assert ended(found_all=False, only_spares=False, now=clock.now, chance=0.0) == 0.25


def test_a_pause_runs_out(clock: Clock) -> None:
    """Asking how long to wait does not change what is left of a pause."""
    clock.request()
    assert clock.wait_s() == 1
    clock.now += 0.75
    assert clock.wait_s() == clock.wait_s() == 0.25
    clock.now += 0.25
    assert clock.wait_s() == 0
    clock.now += 1000
    assert clock.wait_s() == 0


def test_a_broker_may_ask_for_a_longer_pause(clock: Clock) -> None:
    """The broker's wish counts where it is longer than the client's own pause."""
    assert clock.request(least_s=5) == clock.wait_s() == 5
    assert clock.request(least_s=0.5) == 2


def test_a_first_link_makes_the_next_pauses_short_again(clock: Clock) -> None:
    """The pause that is under way stays, because only spares are missing now."""
    for _ in range(4):
        clock.request()
    clock.links(1)
    assert clock.wait_s() == 8
    assert clock.request() == 1


def test_the_loss_of_the_last_link_ends_a_pause(clock: Clock) -> None:
    """The client asks at once, because applications wait, and then with short pauses."""
    clock.links(1)
    assert clock.request(spare=True) == 10
    clock.now += 1
    clock.links(0)
    assert clock.wait_s() == 0
    assert clock.request() == 1


def test_without_a_link_before_there_is_none_to_lose(clock: Clock) -> None:
    """A link that failed before it was up ends no pause."""
    clock.request()
    clock.links(0)
    assert clock.wait_s() == 1
    clock.links(1)
    clock.links(0)
    assert clock.wait_s() == 0
    clock.request()
    clock.links(0)
    assert clock.wait_s() == 1


def test_a_link_that_could_not_be_made_is_followed_by_a_pause(clock: Clock) -> None:
    """Several links that fail together are followed by one pause."""
    clock.request(found_all=True)
    clock.policy.link_failed()
    clock.policy.link_failed()
    assert clock.wait_s() == 1
    clock.now += 1
    assert clock.wait_s() == 0


def test_the_pause_after_a_failed_link_comes_after_any_other(clock: Clock) -> None:
    """The second pause begins when the first is over, and its kind is decided then."""
    clock.request()
    clock.policy.link_failed()
    assert clock.wait_s() == 1
    clock.now += 1
    assert clock.wait_s(spare=True) == 10
    clock.now += 10
    assert clock.wait_s() == 0


def test_after_starting_over_the_next_request_is_due(clock: Clock) -> None:
    """The pause ends, and the next pauses are short again."""
    for _ in range(3):
        clock.request()
    clock.policy.start_over(clock.now)
    assert clock.wait_s() == 0
    assert clock.request() == 1


def test_a_pause_for_spares_ends_with_what_they_were_spares_for(clock: Clock) -> None:
    """One volunteer of three was found, and the link through it could not be made after all."""
    assert clock.request(spare=True) == 10
    clock.now += 0.5
    clock.policy.link_failed()
    assert clock.wait_s() == 1
    clock.now += 1
    assert clock.wait_s() == 0


def test_a_pause_for_spares_that_is_nearly_over_is_not_made_longer(clock: Clock) -> None:
    """The short pause takes the place of a longer one only."""
    clock.request(spare=True)
    clock.now += 9.5
    assert clock.wait_s() == 0.5


def test_an_application_that_waits_shortens_a_pause(clock: Clock) -> None:
    """The pause is counted from the last request, so that many applications ask no more often."""
    for _ in range(4):
        clock.request()
    clock.now += 1
    assert clock.wait_s(urgent=True) == URGENT_S - 1
    assert clock.wait_s() == 7
    clock.now += URGENT_S
    assert clock.wait_s(urgent=True) == 0


def test_nobody_waits_for_spares(clock: Clock) -> None:
    """While a link is there or being made, an application that waits changes nothing."""
    clock.request(spare=True)
    assert clock.wait_s(spare=True, urgent=True) == 10


def test_a_brokers_word_is_heeded_whoever_waits(clock: Clock) -> None:
    """A busy broker is not asked more often because readers have applications open."""
    assert clock.request(least_s=20) == clock.wait_s(urgent=True) == 20
    clock.request(spare=True, least_s=20)
    assert clock.wait_s() == 20


def test_pauses_for_spares_are_short_again_when_one_was_found(clock: Clock) -> None:
    """Nobody was there for a while; a link that is lost says nothing of that."""
    clock.links(2)
    for expected in (10, 20, 40):
        assert clock.request(spare=True) == expected
    clock.links(1)
    assert clock.request(spare=True) == 80
    clock.links(2)
    assert clock.request(spare=True) == 10
