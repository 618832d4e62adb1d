from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.wire import gatewaykeys
from passerelle.wire.gatewaykeys import GatewaySeed
from passerelle.wire.oblivious import KeyConfiguration

SEED = GatewaySeed(20_000, bytes(range(32)))


@given(st.integers(0, 40), st.integers(0, 40))
def test_days_follow_from_one_another(first: int, second: int) -> None:
    """A later day's seed is the same by whatever steps it was reached."""
    day = SEED.day + first
    assert SEED.at(day).at(day + second) == SEED.at(day + second)


def test_no_day_is_had_back() -> None:
    """A seed leads to no earlier day, and not to days of a clock that is mad."""
    for day in (SEED.day - 1, -1, SEED.day + 40_000, gatewaykeys.LATEST_DAY):
        with pytest.raises(ValueError, match="a day"):
            SEED.at(day)


def test_keys_differ_by_day_and_exit() -> None:
    """What is sealed to one exit's key of one day opens with no other key."""
    keys = {
        key.private_bytes_raw()
        for exit_id in ("exit", "exit-2")
        for key in SEED.keys(exit_id, 3)
    }  # fmt: skip
    assert len(keys) == 6
    assert SEED.at(SEED.day + 2).key("exit").private_bytes_raw() in keys
    assert SEED.secret not in keys


def test_a_descriptor_names_the_keys_of_its_days() -> None:
    """The configurations are those of the days in turn, with a number for each day."""
    found = [KeyConfiguration.decode(each) for each in gatewaykeys.configurations(SEED, "exit", 9)]
    assert [each.key_id for each in found] == [(SEED.day + n) % 256 for n in range(9)]
    last = SEED.at(SEED.day + 8).key("exit").public_key().public_bytes_raw()
    assert found[8].public_key == last


def test_a_file_is_read_as_it_was_written() -> None:
    """A seed comes back from its text, and does not show itself otherwise."""
    assert GatewaySeed.parse(str(SEED)) == SEED
    assert GatewaySeed.parse(f"{SEED}\n") == SEED
    assert "AAEC" not in repr(SEED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "passerelle-gateway1 20000",
        f"passerelle-gateway2 20000 {str(SEED).split()[2]}",
        f"passerelle-gateway1 -1 {str(SEED).split()[2]}",
        f"passerelle-gateway1 ² {str(SEED).split()[2]}",
        f"passerelle-gateway1 99999999 {str(SEED).split()[2]}",
        "passerelle-gateway1 20000 AAAA",
        "passerelle-gateway1 20000 ####",
    ],
)
def test_another_text_is_refused(text: str) -> None:
    """A file that holds something else is no seed."""
    with pytest.raises(ValueError, match=r".*"):
        GatewaySeed.parse(text)


def test_days_are_counted_from_1970() -> None:
    """A Unix time gives the day that keys are numbered by."""
    assert gatewaykeys.day_at(0) == 0
    assert gatewaykeys.day_at(86_400 * 20_000 - 0.1) == 19_999
    assert gatewaykeys.day_at(86_400 * 20_000) == 20_000
