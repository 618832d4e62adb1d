from __future__ import annotations

import sys

import pytest

from passerelle.io.webrtc.channel import ChannelOffer
from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.io.webrtc.engine import choose
from tests.chrome import needs_chrome, wheels


@needs_chrome
def test_chromes_engine_is_taken_where_it_is() -> None:
    assert choose("auto") == choose("chrome") == (ChromeOffer, "")
    assert choose("python") == (ChannelOffer, "")


def test_a_machine_without_chromes_engine_has_the_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked for by name it is refused, and otherwise a sentence says what is missing."""
    monkeypatch.setitem(sys.modules, "webrtc", None)
    offers, reason = choose("auto")
    assert offers is ChannelOffer
    assert reason.startswith("the package wrtc cannot be loaded (")
    assert choose("python") == (ChannelOffer, "")
    with pytest.raises(NoEngine):
        choose("chrome")


def test_the_wheels_are_for_the_systems_that_are_named() -> None:
    """On these machines a test of Chrome's engine is never skipped."""
    for system in ("manylinux", "macosx", "win_amd64"):
        assert any(system in name for name in wheels())
