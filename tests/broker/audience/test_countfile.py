"""Counts that outlive a restart: what is kept, and that it is no finer than what is shown."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import serverlimits
from passerelle.broker.audience import countfile
from passerelle.broker.audience.figures import MEGABYTE, figures
from passerelle.core.rounding import COUNT_STEP
from passerelle.core.tally import HOUR_S, Tally
from tests.broker.parties import NOW

NEWS = "https://news.example"


def kept(path: Path, network: Tally, **publishers: Tally) -> countfile.Kept:
    """Save at NOW and load again."""
    countfile.save(path, countfile.text(network, publishers, NOW))
    return countfile.load(path)


def test_a_restart_loses_less_than_eight_of_anything(tmp_path: Path) -> None:
    """Hours look the same after a restart; of a country less than 8 readers are forgotten."""
    tally = Tally()
    for back in reversed(range(21)):
        tally.joined(NOW - back * HOUR_S)
        tally.helped("IR", MEGABYTE, NOW - back * HOUR_S)
    tally.helped("IS", MEGABYTE, NOW)
    for _ in range(21):
        tally.left(NOW)
    before = figures(tally.counted(NOW))
    after = kept(tmp_path / "counts.json", tally, news=tally)
    shown = figures(after.network.counted(NOW))
    assert shown.hours == before.hours
    assert before.countries == (("IR", 24),)
    assert dict(shown.countries)["IR"] in {16, 24}
    assert figures(after.publishers["news"].counted(NOW)) == shown


@given(st.dictionaries(st.sampled_from(["IR", "IS", None]), st.integers(1, 40), max_size=3))
def test_the_file_holds_no_more_than_is_shown(readers: dict[str | None, int]) -> None:
    """Each number is a multiple of 8, and a country with fewer than 8 readers is not named."""
    tally = Tally()
    for country, count in readers.items():
        for _ in range(count):
            tally.joined(NOW)
            tally.helped(country, 3_333_333, NOW)
    found = msgspec.json.decode(countfile.text(tally, {}, NOW))[""]
    for _, *counts in found["hours"]:
        assert all(count % COUNT_STEP == 0 for count in counts)
    for _, countries, unknown in found["days"]:
        assert unknown % COUNT_STEP == 0
        assert all(count and count % COUNT_STEP == 0 for count in countries.values())
        assert set(countries) == {c for c, n in readers.items() if c and n >= COUNT_STEP}


def test_the_file_is_private(tmp_path: Path) -> None:
    kept(tmp_path / "counts.json", Tally())
    assert stat.S_IMODE((tmp_path / "counts.json").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["counts.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"": {"hours": [[1, 2, 3]], "days": []}}',
        b'{"": {"hours": [[1, -2, 3, 4]], "days": []}}',
        b'{"": {"hours": [], "days": [[1, {"<b>": 8}, 0]]}}',
        b'{"": ' * 100_000,
    ],
)
def test_a_damaged_file_begins_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    found = countfile.load(path)
    assert not found.publishers
    assert len(caplog.records) == 1


def test_no_file_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not countfile.load(tmp_path / "none").publishers
    assert not caplog.records


def test_a_folder_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    countfile.save(tmp_path / "none" / "counts.json", b"{}")
    assert "are not kept" in caplog.text


def test_a_full_file_is_read(tmp_path: Path) -> None:
    """What all publishers together can make is below the bound on what is read."""
    tally = Tally()
    names = [f"{a}{b}" for a in "ABCDEFGHIJKL" for b in "ABCDEFGHIJKLMNOPQRSTUVWXY"]
    for hour in reversed(range(serverlimits.COUNTED_HOURS)):
        at_s = NOW - hour * HOUR_S
        tally.joined(at_s)
        if hour % 24 == 0:
            for name in names[: serverlimits.COUNTED_COUNTRIES]:
                for _ in range(8):
                    tally.helped(name, 10**12, at_s)
    one = len(countfile.text(Tally(), {NEWS: tally}, NOW))
    pages = serverlimits.PAGE_ORIGIN_CHARS
    assert (one + pages) * (serverlimits.PUBLISHERS + 1) < serverlimits.COUNTS_FILE_BYTES
