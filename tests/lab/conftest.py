"""The laboratory as a fixture. Where it cannot be built, tests fail and are not skipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Yield an open laboratory; outputs and captures stay in `tmp_path` after a failure."""
    with Lab(directory=tmp_path) as lab:
        yield lab
