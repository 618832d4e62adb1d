"""A reader's links differ from two browsers' in what is known, and in nothing else."""

import pytest

from tests.chrome import needs_chrome
from tests.lab import Lab
from tests.lab.twins.groups import faults
from tests.lab.twins.scene import Scene

pytestmark = [needs_chrome, pytest.mark.lab, pytest.mark.timeout(420)]

LINKS = 5


def test_what_tells_our_links_from_two_browsers_is_known(lab: Lab) -> None:
    """No value of ours that no twin shows and none that all twins show and ours never do, but for
    those in `known.json`, which all still differ."""
    with Scene(lab) as scene:
        (links,) = scene.measure(1, LINKS)
    assert all(len(made) >= LINKS for made in links.values())
    assert list(faults(links)) == []
