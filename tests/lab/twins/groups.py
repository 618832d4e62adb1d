"""Which links are alike, which are compared with which, and what is known of the outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.twins.compare import APART, FAR_APART, Difference, Known, compare, judge, learn
from tests.lab.twins.features import Features

CALL: Final = "call"
CHANNEL: Final = "channel"
KINDS: Final = (CALL, CHANNEL)
"""Video (and sound) with a data channel, and a data channel alone."""
TWINS: Final = "browser"
ENGINES: Final = ("chrome", "python")
PROFILE: Final = "chrome --profile call"
"""The maker of links of the profile `call`, which are all of the kind `CALL`."""
BROWSERS: Final = ("Chromium", "Firefox")
KNOWN = Path(__file__).with_name("known.json")


@dataclass(frozen=True, slots=True)
class Group:
    """Links that are alike."""

    maker: str
    """What made the reader's end: `TWINS`, which is a Chromium, one of `ENGINES`, or `PROFILE`."""
    kind: str
    """One of `KINDS`."""
    browser: str
    """The volunteer's browser, one of `BROWSERS`."""

    def __str__(self) -> str:
        return f"{self.maker}, {self.kind}, {self.browser}"

    @property
    def twin(self) -> Group:
        """The links that these should look like: their kind, with the same browser opposite."""
        return Group(TWINS, self.kind, self.browser)


MAKERS: Final = (
    (PROFILE, CALL),
    *((engine, kind) for kind in KINDS for engine in ENGINES),
)
"""Makers of our links, each with a kind of links that it makes."""
OURS: Final = tuple(Group(*maker, browser) for maker in MAKERS for browser in BROWSERS)
Round = Mapping[Group, Sequence[Features]]
"""The features of each link of a round."""


def differences(links: Round, apart: float = APART) -> dict[Group, list[Difference]]:
    """Return what tells each group of ours from its twins, with numbers as far apart as that."""
    return {group: compare(links[group.twin], links[group], apart) for group in OURS}


def joined(rounds: Sequence[Round]) -> dict[Group, list[Features]]:
    """Return the links of all rounds."""
    return {group: [link for each in rounds for link in each[group]] for group in rounds[0]}


def learned(rounds: Sequence[Round]) -> dict[str, Known]:
    """Return the known differences of each group, by its name."""
    seen = [differences(each) for each in rounds]
    sure = [differences(each, FAR_APART) for each in rounds]
    return {
        str(group): learn([each[group] for each in seen], [each[group] for each in sure])
        for group in OURS
    }


def faults(links: Round) -> Iterator[str]:
    """Yield what the list of known differences says wrongly of a round.

    What a lost packet or a busy machine shows sometimes, it may show with each browser and kind.
    """
    known: dict[str, Known] = json.loads(KNOWN.read_text(encoding="utf-8"))
    sure = differences(links, FAR_APART)
    for group, seen in differences(links).items():
        chance: Known = {
            text: "sometimes"
            for other in OURS
            for text, how in known[str(other)].items()
            if other.maker == group.maker and how == "sometimes"
        }
        wrong = judge({**chance, **known[str(group)]}, seen, sure[group])
        yield from (f"{group}: {fault}" for fault in wrong)


def write_known(rounds: Sequence[Round]) -> None:
    """Replace the list of known differences by what these rounds showed."""
    text = json.dumps(learned(rounds), indent=1, ensure_ascii=False)
    KNOWN.write_text(text + "\n", encoding="utf-8")
