"""Make pages of figures in each language, as HTML that needs no script.

The words are in `pages/figures.json`. Everything that is put into the HTML is escaped here.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Final

from aiohttp import web

from passerelle.broker.audience import chart
from passerelle.broker.audience.figures import Figures, HourFigures, utc
from passerelle.broker.translatedpage import RIGHT_TO_LEFT, language_of
from passerelle.core.tally import HOUR_S

SHOWN_HOURS: Final = 72
"""Hours in a picture and its table; a CSV file has all."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FILES: Final = {
    "page.css": ("figures.css", "text/css"),
    "page.js": ("figures.js", "text/javascript"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language."""

    code: str
    own: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """Return a sentence as HTML."""
        return html.escape(self.own[name])

    def filled(self, name: str, **values: object) -> str:
        """Return a sentence as HTML, with `values` in it."""
        return html.escape(self.own[name].format_map(values))


class FigurePage:
    """The frame around a page's content, and the page's two files."""

    def __init__(self, name: str) -> None:
        """`name` is the page's path below the broker's."""
        self._name = name
        self._words = {
            code: Words(code, own) for code, own in json.loads(_text("figures.json")).items()
        }
        self._template = Template(_text("figures.html"))
        self._files = {file: (_text(source), kind) for file, (source, kind) in _FILES.items()}

    def words(self, request: web.Request) -> Words:
        """Return the sentences in the language of whoever asks."""
        return self._words[language_of(request, self._words)]

    def page(self, words: Words, title: str, lead: str, content: str) -> str:
        """Return a whole page. `title`, `lead` and `content` are HTML."""
        languages = "\n".join(
            f'<a href="{self._name}?lang={code}" lang="{code}">{each["name"]}</a>'
            for code, each in self._words.items()
        )
        return self._template.substitute(
            code=words.code,
            dir="rtl" if words.code in RIGHT_TO_LEFT else "ltr",
            page=self._name,
            title=title,
            lead=lead,
            content=content,
            languages=languages,
        )

    async def file(self, request: web.Request) -> web.Response:
        """Answer with the style sheet or the script."""
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        text, kind = found
        headers = {**HEADERS, "Cache-Control": "no-cache"}
        return web.Response(text=text, content_type=kind, headers=headers)


def sums(words: Words, shown: Mapping[str, int]) -> str:
    """Return single figures, by the names of their sentences."""
    rows = (f"<div><dt>{words[name]}</dt><dd>{_number(n)}</dd></div>" for name, n in shown.items())
    return f'<dl class="sums">{"".join(rows)}</dl>'


def note(text: str) -> str:
    """Return a remark; `text` is HTML."""
    return f'<p class="note">{text}</p>'


def hours_and_countries(words: Words, shown: Figures) -> str:
    """Return the pictures by the hour, their table, and the countries."""
    return "\n".join(
        (
            _picture(words["by_hour"], shown.hours, [each.volunteers for each in shown.hours]),
            _picture(words["helped_by_hour"], shown.hours, [each.helped for each in shown.hours]),
            _hours(words, shown.hours[-SHOWN_HOURS:]),
            f'<h2 id="where">{words["where"]}</h2>',
            _countries(words, shown),
            note(words["rounding"]),
            note(words["meaning"]),
        )
    )


def left_to_right(text: str) -> str:
    """Return a text that keeps its order inside a sentence from right to left."""
    return f"\N{LEFT-TO-RIGHT ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


def as_of(words: Words, now_s: float) -> str:
    """Return a remark on when the figures were made."""
    time = utc(int(now_s)).replace("T", " ").replace("Z", " UTC")
    return note(words.filled("as_of", time=left_to_right(time)))


def counted_by(words: Words, brokers: int, all_brokers: int) -> str:
    """Return a remark on whose figures are shown, where they are not those of all brokers."""
    if brokers >= all_brokers:
        return ""
    return note(words.filled("here", k=brokers, n=all_brokers))


def _picture(title: str, hours: Sequence[HourFigures], values: Sequence[int]) -> str:
    last_s = hours[-1].begin_s
    times_s = [last_s - back * HOUR_S for back in reversed(range(SHOWN_HOURS))]
    by_time = {each.begin_s: value for each, value in zip(hours, values, strict=True)}
    return f"<h2>{title}</h2>\n" + chart.bars(
        title, times_s, [by_time.get(time_s, 0) for time_s in times_s]
    )


def _hours(words: Words, hours: Sequence[HourFigures]) -> str:
    head = "".join(
        f'<th scope="col">{words[name]}</th>' for name in ("hour", "volunteers", "times", "mb")
    )
    rows = "".join(
        f'<tr><th scope="row"><bdi>{utc(each.begin_s)[:16].replace("T", " ")}</bdi></th>'
        f"<td>{_number(each.volunteers)}</td><td>{_number(each.helped)}</td>"
        f"<td>{_number(each.megabytes)}</td></tr>"
        for each in reversed(hours)
    )
    title = words["table"]
    return (
        f'<details><summary>{title}</summary><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></details>"
    )


def _countries(words: Words, shown: Figures) -> str:
    rows = [
        f'<tr><th scope="row" data-country="{html.escape(code)}">{html.escape(code)}</th>'
        f"<td>{_number(count)}</td></tr>"
        for code, count in shown.countries
    ]
    said = "" if rows else f"<p>{words['unnamed']}</p>"
    if shown.elsewhere:
        rows.append(
            f'<tr><th scope="row">{words["elsewhere"]}</th><td>{_number(shown.elsewhere)}</td></tr>'
        )
    if not rows:
        return said
    head = f'<th scope="col">{words["country"]}</th><th scope="col">{words["times"]}</th>'
    return (
        f'{said}<table aria-labelledby="where"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _number(count: int) -> str:
    """Return a number with thin blanks between its thousands, as ISO 80000-1 has it."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _text(name: str) -> str:
    return resources.files("passerelle.broker").joinpath("pages", name).read_text(encoding="utf-8")
