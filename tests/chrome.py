"""Whether Chrome's engine can be had on this machine, and the mark of tests that need it.

Only a machine that no wheel fits skips them. Where the package is merely not installed, they fail.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

LOCK = Path(__file__).parents[1] / "uv.lock"
PACKAGE = "wrtc"


def wheels() -> list[str]:
    """Return the names of the locked package's wheels."""
    packages: list[dict[str, Any]] = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    (locked,) = (each for each in packages if each["name"] == PACKAGE)
    return [wheel["url"].rpartition("/")[2] for wheel in locked["wheels"]]


@functools.cache
def has_wheel() -> bool:
    """Whether one of the locked package's wheels fits this machine."""
    ours = set(sys_tags())
    return any(ours & parse_wheel_filename(name)[3] for name in wheels())


needs_chrome = pytest.mark.skipif(
    not has_wheel(), reason=f"the package {PACKAGE} has no wheel for this machine"
)
