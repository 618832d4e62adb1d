"""A transfer over time as a picture: SVG text from samples, without a library."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 880, 560
LEFT, RIGHT = 64, 24
TOP_PANEL = (70, 330)
"""Top and bottom edge of the upper panel, in pixels from the top."""
LOW_PANEL = (380, 490)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#999999")
"""Colours that colour-blind people can tell apart too (Okabe and Ito)."""
BIN_S = 0.25
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.small{font-size:12px}"
    ".title{font-size:16px;font-weight:600}.axis{stroke:#888;stroke-width:1}"
    ".grid{stroke:#ddd;stroke-width:1}.total{fill:none;stroke:#111;stroke-width:2}"
    ".end{stroke:#b00020;stroke-width:1.5;stroke-dasharray:4 3}.why{fill:#b00020}"
)
MB = 1e6
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
TICKS = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a transfer at one moment."""

    time_s: float
    """Time since the transfer began."""
    total: int
    """Bytes that the application has."""
    links: dict[int, int]
    """Bytes that each link has brought since the transfer began."""


@dataclass(slots=True)
class TransferRecord:
    """The record of a transfer, which is drawn."""

    samples: list[Sample] = field(default_factory=list)
    ends: list[tuple[float, str]] = field(default_factory=list)
    """When a volunteer left, and how."""

    @property
    def links(self) -> list[int]:
        """All links that brought bytes, in order of their numbers."""
        return sorted({link for each in self.samples for link in each.links if each.links[link]})


@dataclass(frozen=True, slots=True)
class _Panel:
    """A rectangle, and the values at its edges."""

    rows: tuple[int, int]
    time_s: float
    most: float

    def x(self, time_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * time_s / self.time_s

    def y(self, value: float) -> float:
        top, bottom = self.rows
        return bottom - (bottom - top) * value / self.most

    def points(self, values: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(time_s):.1f},{self.y(value):.1f}" for time_s, value in values)

    def band(self, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]]) -> str:
        return self.points([*high, *reversed(low)])


def draw(story: TransferRecord, title: str) -> str:
    """Return the SVG of a transfer: bytes over time above, rates below, a colour for each link."""
    samples = story.samples
    time_s = samples[-1].time_s
    brought = [sum(each.links.values()) for each in samples]
    top = _Panel(TOP_PANEL, time_s, max(*brought, samples[-1].total) / MB)
    rates = _rates(story)
    low = _Panel(LOW_PANEL, time_s, max(1.0, *(sum(each.values()) for _, each in rates)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="24">{html.escape(title)}</text>',
        *_axes(top, "MB", has_times=False),
        *_axes(low, "Mbit/s", has_times=True),
        *_bands(story.links, [(each.time_s, each.links) for each in samples], top, 1 / MB),
        *_bands(story.links, rates, low, 1.0),
        f'<polyline class="total" points="'
        f'{top.points((each.time_s, each.total / MB) for each in samples)}"/>',
        *_ends(story, top, low),
        *_legend(story.links),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rates(story: TransferRecord) -> list[tuple[float, dict[int, float]]]:
    """Return each link's Mbit/s in steps of `BIN_S`, as a staircase."""
    found: list[tuple[float, dict[int, float]]] = []
    last = story.samples[0]
    for sample in story.samples:
        passed_s = sample.time_s - last.time_s
        if passed_s >= BIN_S:
            rates = {
                link: (count - last.links.get(link, 0)) * 8 / passed_s / 1e6
                for link, count in sample.links.items()
            }
            found += [(last.time_s, rates), (sample.time_s, rates)]
            last = sample
    return found or [(0.0, {})]


def _bands(
    links: Sequence[int],
    rows: Sequence[tuple[float, Mapping[int, float]]],
    panel: _Panel,
    scale: float,
) -> Iterable[str]:
    """Yield one filled area for each link, stacked."""
    low = [(time_s, 0.0) for time_s, _ in rows]
    for number, link in enumerate(links):
        high = [
            (time_s, base + values.get(link, 0) * scale)
            for (time_s, base), (_, values) in zip(low, rows, strict=True)
        ]
        colour = COLOURS[number % len(COLOURS)]
        yield (
            f'<polygon fill="{colour}" fill-opacity=".75" points="{panel.band(low, high)}">'
            f"<title>link {link}</title></polygon>"
        )
        low = high


def _axes(panel: _Panel, unit: str, *, has_times: bool) -> Iterable[str]:
    top, bottom = panel.rows
    for value in _ticks(panel.most):
        y = panel.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
    yield f'<text class="small" x="{LEFT - 8}" y="{top - 10}" text-anchor="end">{unit}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    if has_times:
        for value in _ticks(panel.time_s):
            x = panel.x(value)
            yield f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
            yield f"{value} s</text>"


def _ticks(most: float) -> range:
    step = next((step for step in STEPS if most / step <= TICKS), STEPS[-1])
    return range(0, int(most) + 1, step)


def _ends(story: TransferRecord, top: _Panel, low: _Panel) -> Iterable[str]:
    for time_s, how in story.ends:
        x = top.x(time_s)
        yield f'<line class="end" x1="{x:.1f}" x2="{x:.1f}" y1="{top.rows[0] - 14}" '
        yield f'y2="{low.rows[1]}"/>'
        yield f'<text class="small why" x="{x:.1f}" y="{top.rows[0] - 20}" text-anchor="middle">'
        yield f"{html.escape(how)}</text>"


def _legend(links: Sequence[int]) -> Iterable[str]:
    x, y = LEFT, HEIGHT - 22
    for number, link in enumerate(links):
        colour = COLOURS[number % len(COLOURS)]
        yield f'<rect x="{x}" y="{y - 11}" width="13" height="13" fill="{colour}" '
        yield f'fill-opacity=".75"/><text class="small" x="{x + 18}" y="{y}">link {link}</text>'
        x += 74
    yield f'<line class="total" x1="{x}" x2="{x + 16}" y1="{y - 4}" y2="{y - 4}"/>'
    yield f'<text class="small" x="{x + 22}" y="{y}">what the application has</text>'


@dataclass(frozen=True, slots=True)
class Curve:
    """One path's rate over time."""

    name: str
    steps: Sequence[int]
    """Bytes of each step."""
    step_s: float
    rival: Sequence[int] = ()
    """Bytes of a rival download on the same path, in the same steps."""


RATE_PANEL = 120
RATE_GAP = 64


def draw_rates(curves: Sequence[Curve]) -> str:
    """Return the SVG of rates over time, a panel for each path."""
    height = RATE_GAP + len(curves) * (RATE_PANEL + RATE_GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Rates over time</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, curve in enumerate(curves):
        top = RATE_GAP + number * (RATE_PANEL + RATE_GAP)
        parts += _rate_panel(curve, (top, top + RATE_PANEL))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rate_panel(curve: Curve, rows: tuple[int, int]) -> Iterable[str]:
    lines = [_smoothed(steps, curve.step_s) for steps in (curve.steps, curve.rival)]
    most = max((value for line in lines for _, value in line), default=0.0)
    panel = _Panel(rows, max(1.0, len(curve.steps) * curve.step_s), max(1.0, most))
    yield f'<text class="title" x="{LEFT}" y="{rows[0] - 10}">{html.escape(curve.name)}</text>'
    yield from _axes(panel, "Mbit/s", has_times=True)
    for line, colour, label in zip(lines, COLOURS, ("ours", "a TCP download"), strict=False):
        if line:
            points = panel.points(line)
            yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2">'
            yield f"<title>{label}</title></polyline>"


def _smoothed(steps: Sequence[int], step_s: float) -> list[tuple[float, float]]:
    """Return (seconds, Mbit/s) in steps of about `BIN_S`."""
    width = max(1, round(BIN_S / step_s))
    return [
        ((at + width / 2) * step_s, sum(steps[at : at + width]) * 8 / (width * step_s) / MB)
        for at in range(0, len(steps) - width + 1, width)
    ]
