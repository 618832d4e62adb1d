"""A reader's links differ from two browsers' in what is known, and in nothing else."""

from pathlib import Path

import pytest

from tests.chrome import needs_chrome
from tests.lab import Lab
from tests.lab.twins.groups import faults
from tests.lab.twins.scene import Scene

pytestmark = [needs_chrome, pytest.mark.lab, pytest.mark.timeout(700)]

LINKS = 5


def test_what_tells_our_links_from_two_browsers_is_known(tmp_path: Path) -> None:
    """No value of ours that no twin shows and none that all twins show and ours never do, but for
    those in `known.json`, which all still differ.

    Five links and five twins may differ by chance, as where one of them asks for a lost picture
    again. A difference is one that other ten show too.
    """
    wrong = _faults(tmp_path)
    if wrong:
        wrong &= _faults(tmp_path)
    assert sorted(wrong) == []


def _faults(directory: Path) -> set[str]:
    with Lab(directory=directory) as lab, Scene(lab) as scene:
        (links,) = scene.measure(1, LINKS)
    assert all(len(made) >= LINKS for made in links.values())
    return set(faults(links))
