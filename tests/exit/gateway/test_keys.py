from __future__ import annotations

import pytest

from passerelle.errors import PeerError
from passerelle.exit.gateway.keys import DailyKeys
from passerelle.wire.gatewaykeys import DAY_S, GatewaySeed, configurations, day_at
from passerelle.wire.oblivious import KeyConfiguration, UnknownKeyError, seal_request

FIRST = GatewaySeed(20_000, bytes(range(32)))
NOW_S = 20_001 * DAY_S + 10.0
ALL = [KeyConfiguration.decode(each) for each in configurations(FIRST, "exit", 5)]
"""The keys of five days, from the day before `NOW_S` on."""


class Source:
    """Gives seeds as a file does, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, now_s: float) -> GatewaySeed:
        self.asked += 1
        return FIRST.at(day_at(now_s) - 1)


def opens(keys: DailyKeys, now_s: float) -> list[bool]:
    """Return for each day's key whether a request to it is opened."""
    found = []
    for configuration in ALL:
        try:
            keys.open(seal_request(configuration, b"x").message, now_s)
        except UnknownKeyError:
            found.append(False)
        else:
            found.append(True)
    return found


def test_two_keys_are_valid_and_move_with_the_days() -> None:
    """Today's and yesterday's open requests; the file is asked once a day."""
    source = Source()
    keys = DailyKeys(source, "exit", seen_bytes=64)
    assert opens(keys, NOW_S) == [True, True, False, False, False]
    assert opens(keys, NOW_S + DAY_S) == [False, True, True, False, False]
    assert opens(keys, NOW_S + 3 * DAY_S) == [False, False, False, True, True]
    assert source.asked == 3


def test_a_clock_that_is_set_back_brings_no_key_back() -> None:
    """What could be opened yesterday stays shut."""
    keys = DailyKeys(Source(), "exit", seen_bytes=64)
    opens(keys, NOW_S + 2 * DAY_S)
    assert opens(keys, NOW_S) == [False, False, True, True, False]


def test_a_request_is_remembered_for_the_life_of_its_key() -> None:
    """It is refused a second time on the next day as well, and not opened after that."""
    keys = DailyKeys(Source(), "exit", seen_bytes=1024)
    message = seal_request(ALL[1], b"x").message
    assert keys.is_new(message, keys.open(message, NOW_S))
    assert not keys.is_new(message, keys.open(message, NOW_S))
    assert not keys.is_new(message, keys.open(message, NOW_S + DAY_S))
    with pytest.raises(UnknownKeyError):
        keys.open(message, NOW_S + 2 * DAY_S)


def test_another_exits_keys_are_other_keys() -> None:
    """A request cannot be brought to an exit that has not seen it."""
    with pytest.raises(PeerError):
        DailyKeys(Source(), "exit-2", seen_bytes=64).open(seal_request(ALL[1], b"x").message, NOW_S)
