"""The counts of a volunteer outlive its program, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from passerelle.errors import LocalError
from passerelle.volunteer.store import FILE, STEP_BYTES, UsageStore

DAY = date(2026, 11, 29)
FULL = """
import errno, os, signal, sys
from datetime import date
from pathlib import Path
from passerelle.volunteer.store import STEP_BYTES, UsageStore

folder = Path(sys.argv[1])
store = UsageStore(folder)
store.turn(date(2026, 11, 29))
with (folder / "filling").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
for _ in range(5):
    store.carry(STEP_BYTES)
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(folder: Path) -> UsageStore:
    store = UsageStore(folder)
    store.turn(DAY)
    return store


def test_counts_are_kept_between_runs(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.carry(1234)
    store.usage.helped += 1
    store.close()
    again = opened(tmp_path)
    assert (again.usage.day_bytes, again.usage.helped) == (1234, 1)
    again.close()


def test_links_and_people_outlive_kill_9(tmp_path: Path) -> None:
    """Whoever ends the program again and again gets no more links in a day."""
    killed = opened(tmp_path / "killed")
    for count, counts in ((1, killed.helped), (2, lambda: killed.flow("IR"))):
        counts()
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / FILE).write_bytes((tmp_path / "killed" / FILE).read_bytes())
        again = opened(folder)
        assert again.usage.helped + again.usage.flows_of("IR") == count
        again.close()
    killed.close()


def test_both_places_are_there_before_anything_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A place that is only begun on a full disk could not be written."""
    os.close(UsageStore(tmp_path)._file or 0)
    kept = (tmp_path / FILE).stat()
    assert kept.st_blocks * 512 >= kept.st_size > 0
    UsageStore(tmp_path).close()
    assert not caplog.records


def test_two_programs_do_not_share_a_folder(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(LocalError, match="Another volunteer"):
        UsageStore(tmp_path)
    store.close()


@pytest.mark.parametrize("place", [0, 1])
def test_a_write_that_was_broken_off_spoils_nothing_else(tmp_path: Path, place: int) -> None:
    """Whichever of the two places is spoiled, the other one counts."""
    store = opened(tmp_path)
    for _ in range(3):
        store.carry(STEP_BYTES)
    store.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[place * half + 20 : (place + 1) * half] = bytes(half - 20)
    path.write_bytes(data)
    again = opened(tmp_path)
    assert 2 * STEP_BYTES <= again.usage.day_bytes <= 4 * STEP_BYTES
    again.close()


def test_a_file_that_is_none_of_ours_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(os.urandom(20_000))
    store = opened(tmp_path)
    assert store.usage.total_bytes == 0
    store.close()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalError, match="--state"):
        UsageStore(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_and_kill_9_give_nothing_twice(tmp_path: Path) -> None:
    """What was carried is counted after both, with one step more at most."""
    script = f'mount -t tmpfs -o size=256k none "$1" && {sys.executable} -c "$2" "$1"; a=$?; '
    script += 'rm -f "$1/filling"; cp "$1/usage" "$3"; exit $a'
    kept = tmp_path / "kept"
    kept.mkdir()
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["unshare", "--mount", "sh", "-c", script, "sh", str(disk), FULL, str(kept)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGKILL, done.stderr
    store = opened(kept)
    assert 5 * STEP_BYTES <= store.usage.day_bytes <= 6 * STEP_BYTES
    store.close()
