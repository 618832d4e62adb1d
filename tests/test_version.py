"""The version is in one place; whatever must repeat it is held to that."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from passerelle import __version__

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("widget/src/core/wire/signalling.ts", r"SOFTWARE = 'passerelle-switch/(.+)'"),
        ("integrations/wordpress/passerelle.php", r"\* Version: +(.+)"),
        ("integrations/wordpress/readme.txt", r"Stable tag: (.+)"),
        ("integrations/wordpress/readme.txt", r"== Changelog ==\s+= (.+) ="),
        ("README.md", r"dist/passerelle-([\d.]+)-py3"),
    ],
)
def test_others_repeat_it(file: str, pattern: str) -> None:
    """Every mention in a file that cannot import it."""
    found = re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"))
    assert set(found) == {__version__}


def test_npm_repeats_it() -> None:
    widget = ROOT / "widget"
    lock = json.loads((widget / "package-lock.json").read_text(encoding="utf-8"))
    assert json.loads((widget / "package.json").read_text())["version"] == __version__
    assert {lock["version"], lock["packages"][""]["version"]} == {__version__}
