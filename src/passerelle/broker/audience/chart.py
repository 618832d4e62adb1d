"""Draw figures by the hour as a picture (SVG) that needs no script and takes the page's colours."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from string import Template
from typing import Final

from passerelle.core.tally import HOUR_S

_WIDTH: Final = 720
_HEIGHT: Final = 200
_LEFT: Final = 56
"""Least room for the numbers beside the picture."""
_DIGIT: Final = 14
"""The widest digit: a narrow page has texts of 22 px (`figures.css`)."""
_TOP: Final = 14
_BOTTOM: Final = 30
"""Room for the times below the picture."""
_TIME: Final = 72
"""The width of a time below the picture on a wide page."""
_WIDEST_TIME: Final = 130
"""The same on a narrow page."""
_TICK_HOURS: Final = 12
"""The hours between two times that are written below."""
_GAP: Final = 0.25
"""The share of a bar's room that stays empty."""

_PICTURE: Final = Template(
    """<svg class="chart" viewBox="0 0 $width $height" role="img" aria-label="$label">
<g class="grid">$grid</g>
<g class="bars">$bars</g>
<g class="ticks">$ticks</g>
</svg>"""
)


def bars(label: str, times_s: Sequence[int], values: Sequence[int]) -> str:
    """Return a picture with a bar for each hour.

    `times_s` are the beginnings of the hours as Unix time, one after the other; `values` are not
    negative. `label` says what is shown to those who do not see it.
    """
    most = _ceiling(max(values, default=0))
    left = max(_LEFT, 8 + _DIGIT * len(str(most)))
    step = (_WIDTH - left) / max(1, len(values))
    return _PICTURE.substitute(
        width=_WIDTH,
        height=_HEIGHT,
        label=html.escape(label),
        grid="".join(_line(left, value, most) for value in (0, most // 2, most)),
        bars="".join(
            _bar(left + index * step, step, time_s, value, most)
            for index, (time_s, value) in enumerate(zip(times_s, values, strict=True))
        ),
        ticks="".join(
            _tick(x, time_s)
            for index, time_s in enumerate(times_s)
            if time_s // HOUR_S % _TICK_HOURS == 0 and (x := left + index * step) + _TIME <= _WIDTH
        ),
    )


def _ceiling(value: int) -> int:
    """Return the number at the top of a picture: a round one, at least 16 and even."""
    top = 16
    while top < value:
        top *= 2
    return top


def _y(value: float, most: int) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / most)


def _bar(x: float, step: float, time_s: int, value: int, most: int) -> str:
    if not value:
        return ""
    y = _y(value, most)
    return (
        f'<rect x="{x + step * _GAP / 2:.1f}" y="{y:.1f}" width="{step * (1 - _GAP):.1f}" '
        f'height="{_y(0, most) - y:.1f}"><title>{_time(time_s, "%Y-%m-%d %H:%M")} · {value}'
        "</title></rect>"
    )


def _line(left: int, value: int, most: int) -> str:
    y = _y(value, most)
    return (
        f'<path d="M{left} {y:.1f}H{_WIDTH}"/>'
        f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
    )


def _tick(x: float, time_s: int) -> str:
    at = _time(time_s, "%m-%d %H:%M")
    late = ' class="late"' if x + _WIDEST_TIME > _WIDTH else ""
    return (
        f'<g{late}><path d="M{x:.1f} {_y(0, 1):.1f}v5"/>'
        f'<text x="{x + 3:.1f}" y="{_HEIGHT - 8}">{at}</text></g>'
    )


def _time(time_s: int, form: str) -> str:
    return time.strftime(form, time.gmtime(time_s))
