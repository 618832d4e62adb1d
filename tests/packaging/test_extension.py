"""The extension's packages, as `make extension` builds them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from passerelle.errors import ConfigError
from tests.network import KEYS
from tools import extension

INVITE = str(KEYS.invite("https://bridge.example"))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    """What a reader's invite has beside the network is left out: volunteers need none of it."""
    first = extension.build(tmp_path / "first", INVITE)
    reader = f"{INVITE}&amp=front.example,https://cache.example"
    again = extension.build(tmp_path / "again", reader)
    assert [path.name for path in first] == [path.name for path in again]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        with zipfile.ZipFile(one) as package:
            scripts = [package.read(name) for name in package.namelist() if name.endswith(".js")]
        assert any(INVITE.encode() in script for script in scripts)
        assert not any(b"front.example" in script for script in scripts)


def test_what_is_no_invite_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="invite"):
        extension.build(tmp_path, "https://bridge.example/")
    assert not list(tmp_path.glob("*.zip"))
