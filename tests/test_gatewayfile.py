from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.errors import ConfigError
from passerelle.gatewayfile import GATEWAY_FILE, GatewayFile, gateway_entry
from passerelle.wire.gatewaykeys import DAY_S
from passerelle.wire.oblivious import KeyConfiguration

NOW_S = 20_000 * DAY_S + 5.0


def test_a_seed_is_made_once_and_moves_with_the_days(tmp_path: Path) -> None:
    """Two programs get the same one, and no earlier one stays on the disk."""
    made, other = (GatewayFile(tmp_path, create=True) for _ in range(2))
    first = made.seed(NOW_S)
    assert first.day == 19_999
    assert other.seed(NOW_S) == first
    later = other.seed(NOW_S + 3 * DAY_S)
    assert later == first.at(20_002)
    assert str(later) == (tmp_path / GATEWAY_FILE).read_text().strip()
    assert [path.name for path in tmp_path.iterdir()] == [GATEWAY_FILE]
    assert (tmp_path / GATEWAY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_clock_that_is_set_back_brings_nothing_back(tmp_path: Path) -> None:
    """The file stays at the later day."""
    file = GatewayFile(tmp_path, create=True)
    later = file.seed(NOW_S + 2 * DAY_S)
    assert file.seed(NOW_S) == later


def test_an_exit_elsewhere_makes_none(tmp_path: Path) -> None:
    """A seed of its own would open nothing, so the operator is told what to copy."""
    with pytest.raises(ConfigError, match=r"gateway\.key is missing. Copy it"):
        GatewayFile(tmp_path, create=False).seed(NOW_S)


@pytest.mark.parametrize("text", ["", "nonsense", "passerelle-gateway1 20000 AAAA", "\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """The sentence says what to do."""
    path = tmp_path / GATEWAY_FILE
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="does not hold the seed it should"):
        GatewayFile(tmp_path, create=True).seed(NOW_S)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Whoever has the seed can open what readers ask."""
    GatewayFile(tmp_path, create=True).seed(NOW_S)
    (tmp_path / GATEWAY_FILE).chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by other accounts"):
        GatewayFile(tmp_path, create=True).seed(NOW_S)


def test_a_descriptor_has_keys_for_all_its_days(tmp_path: Path) -> None:
    """A reader with a description that is about to expire has a key that is valid."""
    seed = GatewayFile(tmp_path, create=True).seed(NOW_S)
    entry = gateway_entry(seed, "exit", ("news.example",), 7 * DAY_S)
    assert entry.first_day == 19_999
    assert len(entry.keys) == 10
    last = KeyConfiguration.decode(entry.keys[-1])
    assert last.public_key == seed.at(20_008).key("exit").public_key().public_bytes_raw()
