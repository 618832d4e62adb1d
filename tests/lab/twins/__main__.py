"""Make the links, and print or write down what tells ours from two browsers'."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.tools import ROOT
from tests.lab.twins.groups import Round, differences, faults, joined, write_known
from tests.lab.twins.scene import Scene
from tests.lab.twins.table import replaced, table

DOCUMENT = ROOT / "docs" / "THREAT-MODEL.md"
LIFETIME_S = 7200.0


def main() -> None:
    """Parse the options, measure, and print; a status of 1 tells of new or vanished differences."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.twins", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often to do all of it")
    parser.add_argument("--links", type=int, default=5, help="links of each group in a round")
    parser.add_argument(
        "--renew",
        action="store_true",
        help=f"write the table into {DOCUMENT.name}, and the list of known differences; take ten "
        "rounds of five links for that",
    )
    options = parser.parse_args()
    try:
        with Lab(lifetime_s=LIFETIME_S) as lab, Scene(lab) as scene:
            rounds = scene.measure(options.rounds, options.links)
    except LabError as error:
        sys.exit(f"The twin test could not be made: {error}")
    if options.renew:
        renew(rounds)
        return
    print(_table(rounds))
    wrong = [fault for each in rounds for fault in faults(each)]
    print("", *(wrong or ["The known differences are those seen."]), sep="\n")
    sys.exit(1 if wrong else 0)


def renew(rounds: Sequence[Round]) -> None:
    """Write down what the rounds showed."""
    write_known(rounds)
    text = replaced(DOCUMENT.read_text(encoding="utf-8"), _table(rounds))
    DOCUMENT.write_text(text, encoding="utf-8")


def _table(rounds: Sequence[Round]) -> str:
    links = joined(rounds)
    return table(links, differences(links))


if __name__ == "__main__":
    main()
