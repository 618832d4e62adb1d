"""The laboratory as a fixture; it fails, never skips, where it cannot be built."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Give an open laboratory; outputs and captures stay in `tmp_path` after a failure."""
    with Lab(directory=tmp_path) as lab:
        yield lab
