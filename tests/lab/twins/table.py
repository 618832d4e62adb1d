"""The table of every feature, for docs/THREAT-MODEL.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.lab.twins.compare import Difference, numbers, values
from tests.lab.twins.features import Feature, Features
from tests.lab.twins.groups import BROWSERS, CALL, MAKERS, PROFILE, TWINS, Group

BEGIN, END = "<!-- twins: begin -->", "<!-- twins: end -->"
SAME = "="
HEAD = "\n".join(
    (
        "| feature | whose packets | two browsers, in a call "
        + "".join(f"| {maker}{'' if maker == PROFILE else f', {kind}'} " for maker, kind in MAKERS)
        + "|",
        "|---" * (3 + len(MAKERS)) + "|",
    )
)
SHOWN_BROWSER = BROWSERS[0]
"""The browser opposite whose values the third column has."""


def table(
    links: Mapping[Group, Sequence[Features]], found: Mapping[Group, Sequence[Difference]]
) -> str:
    """Return the table: a row for each feature, and how each engine's links differ in it."""
    lines = [HEAD]
    names = dict.fromkeys(name for each in links.values() for link in each for name in link)
    for feature in names:
        twins = links[Group(TWINS, CALL, SHOWN_BROWSER)]
        cells = [
            _merged(
                {
                    browser: _cell(links, Group(*maker, browser), feature, found)
                    for browser in BROWSERS
                }
            )
            for maker in MAKERS
        ]
        words = (feature.name, feature.side, _shown(twins, feature), *cells)
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def _cell(
    links: Mapping[Group, Sequence[Features]],
    group: Group,
    feature: Feature,
    found: Mapping[Group, Sequence[Difference]],
) -> str:
    here = [each for each in found[group] if each.feature == feature]
    if not here:
        return SAME
    signs = {"ours alone": "+", "never ours": "−"}
    words = [f"{signs[each.how]} {_code(each.value)}" for each in here if each.value]
    if not words:
        ours, twins = _shown(links[group], feature), _shown(links[group.twin], feature)
        return f"{here[0].how}: {ours} for {twins}"
    return "; ".join(words)


def _merged(cells: Mapping[str, str]) -> str:
    """Return one cell for all browsers opposite."""
    if len(set(cells.values())) == 1:
        return next(iter(cells.values()))
    return "<br>".join(f"{browser}: {cell}" for browser, cell in cells.items())


def _shown(links: Sequence[Features], feature: Feature) -> str:
    """Return all values of a feature, or the range of its numbers."""
    if found := numbers(links, feature):
        low, high = f"{min(found):g}", f"{max(found):g}"
        return low if low == high else f"{low}–{high}"
    everything = sorted(frozenset[str]().union(*values(links, feature)))
    return ", ".join(map(_code, everything)) or "nothing"


def _code(value: str) -> str:
    return f"`{value}`"


def replaced(document: str, made: str) -> str:
    """Return a document with `made` between the two markers. Raises ValueError without them."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} with an {END} behind it")
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"
