"""A story comes to a reading page and to a program, whatever of the network is blocked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.lab.blocked import (
    CENSORS,
    HASTE,
    Carried,
    censor,
    doors_network,
    fetch,
    read,
    read_again,
)
from tests.lab.browser import LabBrowser
from tests.lab.reading import ReadingNetwork

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

STORY_S: Final = 20.0
"""Longest time until a story is there in a test; docs/RELIABILITY.md has what was measured."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingNetwork]:
    with doors_network(tmp_path_factory.mktemp("blocked"), "nginx", "PHP") as made:
        yield made


@pytest.mark.parametrize("what", CENSORS)
def test_a_story_comes(network: ReadingNetwork, what: str) -> None:
    """To the page and to the program; a door carries it where no volunteer can be reached.

    The PHP door lets no WebSocket pass, so it serves pages only.
    """
    with network.reader(LabBrowser) as browser, censor(network, *CENSORS[what]):
        assert read(browser) < STORY_S
        if ("nginx", "") in CENSORS[what]:
            return
        took_s, said = fetch(network)
    assert took_s < STORY_S
    carried = f"the server {network.address('nginx')} carries" in said
    assert carried is (what != "the broker"), said


def test_a_door_carries_nothing_while_a_volunteer_does(tmp_path: Path) -> None:
    """It brings the first volunteer; for more of them the page asks through that one's link.

    The network is the test's own, because the number is rounded up: of others' requests there
    would be eight before.
    """
    with (
        doors_network(tmp_path, "nginx") as network,
        network.reader(LabBrowser) as browser,
        censor(network, *CENSORS["the broker"]),
    ):
        browser.eval(HASTE)
        read(browser)
        doors = Carried(network)
        deadline_s = time.monotonic() + STORY_S
        while network.introductions() == 0 and time.monotonic() < deadline_s:
            time.sleep(0.5)
        assert network.introductions() > 0
        assert doors.all() == 0


def test_a_page_opens_again_when_its_mirror_is_blocked(network: ReadingNetwork) -> None:
    """What was loaded once is in the browser."""
    assert read_again(network) < STORY_S
