"""Whether a locked package has a wheel for this machine: `python -m tools.wheels NAME`.

The exit code is 0 where one fits, and `bootstrap.NO_WHEEL` where none does. Run it with the
interpreter that is to import the package, in the repository's folder.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

from tools.bootstrap import NO_WHEEL

LOCK: Final = Path(__file__).resolve().parent.parent / "uv.lock"


def wheels(package: str) -> list[str]:
    """Return the file names of a locked package's wheels."""
    packages: list[dict[str, Any]] = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    (locked,) = (each for each in packages if each["name"] == package)
    return [wheel["url"].rpartition("/")[2] for wheel in locked["wheels"]]


def fits(package: str, machine: Iterable[Tag] | None = None) -> bool:
    """Return whether one of a locked package's wheels fits a machine: this one, or its tags."""
    tags = set(sys_tags() if machine is None else machine)
    return any(tags & parse_wheel_filename(name)[3] for name in wheels(package))


if __name__ == "__main__":
    sys.exit(0 if fits(sys.argv[1]) else NO_WHEEL)
