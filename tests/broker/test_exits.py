from collections.abc import Callable

import msgspec
import pytest

from passerelle import serverlimits
from passerelle.broker.exits import FRESH_S, Exits, link_experience
from passerelle.core.matching.quality import LinkEnding
from passerelle.errors import LinkCode
from passerelle.wire.bus import ExitLoad, LinkOutcome
from tests.broker.parties import EXITS, NETWORK, NOW


def draws(*numbers: int) -> Callable[[int], int]:
    """Random integers that are not."""
    left = list(numbers)

    def draw(most: int) -> int:
        return left.pop(0) % most

    return draw


def load(exit_id: str, links: int = 0, *, sessions: int = 0, draining: bool = False) -> ExitLoad:
    return ExitLoad(exit_id, NOW, sessions, links, 100, draining)


def test_a_word_is_news_once_and_near_its_time() -> None:
    """A recorded one, an older one and one of another day are not."""
    exits = Exits(NETWORK)
    first, later = (msgspec.structs.replace(load("one"), time_s=NOW + n) for n in (0, 2))
    assert exits.is_news(first, NOW)
    exits.hear(later, 0)
    assert not exits.is_news(first, NOW)
    assert not exits.is_news(later, NOW)
    for late_s in (-serverlimits.BUS_CLOCK_SKEW_S - 1, serverlimits.BUS_CLOCK_SKEW_S + 1):
        assert not Exits(NETWORK).is_news(first, NOW + late_s)


def test_an_exit_has_the_pins_of_its_own_entry() -> None:
    exits = Exits(NETWORK)
    assert exits.pins("one") == (EXITS["one"].spki_sha256,)
    assert exits.pins("three") == ()


def test_while_none_is_heard_of_any_may_be_chosen() -> None:
    exits = Exits(NETWORK)
    assert [exits.choose(draws(number), 0) for number in (0, 1)] == ["one", "two"]


def test_the_less_busy_of_two_is_chosen() -> None:
    exits = Exits(NETWORK)
    exits.hear(load("one", 50), 0)
    exits.hear(load("two", 10), 0)
    assert exits.choose(draws(0, 1), 0) == "two"
    assert exits.choose(draws(1, 0), 0) == "two"
    assert exits.choose(draws(0, 0), 0) == "one"


def test_one_that_drains_or_fell_silent_is_not_chosen() -> None:
    exits = Exits(NETWORK)
    exits.hear(load("one", draining=True), 0)
    exits.hear(load("two", 90), 0)
    assert exits.choose(draws(0, 0), 0) == "two"
    exits.hear(load("one"), FRESH_S)
    assert exits.choose(draws(0, 1), FRESH_S) == "one"


def test_sessions_are_counted_while_they_are_heard_of() -> None:
    exits = Exits(NETWORK)
    exits.hear(load("one", sessions=3), 0)
    exits.hear(load("two", sessions=4), 1)
    assert exits.sessions(1) == 7
    assert exits.sessions(FRESH_S) == 4


def test_an_exit_of_no_descriptor_is_ignored() -> None:
    exits = Exits(NETWORK)
    exits.hear(load("three", sessions=9), 0)
    assert exits.sessions(0) == 0
    assert exits.choose(draws(0), 0) == "one"


def outcome(
    ticket_id: bytes = bytes(16), *, joined: bool = True, reason: LinkCode = LinkCode.NORMAL
) -> LinkOutcome:
    return LinkOutcome("one", ticket_id, joined, 1, 2, 3.0, 4.0, 0.1, reason)


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (outcome(), LinkEnding.CLEAN),
        (outcome(reason=LinkCode.DRAINING), LinkEnding.CLEAN),
        (outcome(reason=LinkCode.TRANSPORT), LinkEnding.LOST),
        (outcome(reason=LinkCode.TIMEOUT), LinkEnding.LOST),
        (outcome(reason=LinkCode.MALFORMED), LinkEnding.BROKEN),
        (outcome(joined=False), LinkEnding.UNUSED),
    ],
)
def test_what_an_exit_says_of_a_link_is_judged(said: LinkOutcome, ending: LinkEnding) -> None:
    assert link_experience(said).ending is ending
