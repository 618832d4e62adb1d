"""What the demo's tests share: a place for profiles that no other test uses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for one test's temporary files, because other tests run a browser meanwhile.

    Its name is short: a browser makes sockets in it, whose paths have at most 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
