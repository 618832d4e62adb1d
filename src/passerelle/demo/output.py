"""The demo's output in the terminal: a line for each step, then the path and its timing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from passerelle.demo.fetch import Page

BAR_CHARS = 32


class TerminalOutput:
    """Writes to a terminal; to a file it writes without colour and animation."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.doing = ""
        """The step that runs now, or the last one that ran."""

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Show `doing` while the block runs, then `done` with the time that it took.

        A block that is cancelled, by Ctrl-C or because time is up, has not failed and leaves no
        line.
        """
        self.doing = doing
        started = time.monotonic()
        try:
            with self._console.status(Text(f"{doing} …"), spinner="dots"):
                yield
        except Exception:
            self._line("✗", "red", doing, time.monotonic() - started)
            raise
        self._line("✓", "green", done, time.monotonic() - started)

    def say(self, text: str = "") -> None:
        """Print `text` without wrapping it, so that it can be copied."""
        self._console.print(Text(text), soft_wrap=True)

    def path(self, *, volunteer: str, site: str) -> None:
        """Draw the path that the page took, with the volunteer's and the site's addresses."""
        self.say()
        self.say("    reader         volunteer          exit           blocked site")
        self.say("    client ═══════ browser ══════════ server ──────▶ web page")
        self.say("          WebRTC           WebSocket         TCP")
        self.say("    └── one TLS 1.3, client to exit ──┘   what the browser carries is sealed")
        self.say(f"    volunteer: {volunteer}")
        self.say(f"    site:      {site}")
        self.say()

    def reading_path(self, *, page: str, site: str) -> None:
        """Draw the path of a reading page's requests, with the addresses of page and site."""
        self.say()
        self.say("    reader         volunteer          exit           blocked site")
        self.say("    browser ══════ browser ══════════ server ──────▶ newspaper")
        self.say("           WebRTC          WebSocket         HTTP")
        self.say("    └─ each request sealed, page to exit ─┘   nothing is installed")
        self.say(f"    reading page: {page}")
        self.say(f"    newspaper:    {site}  (blocked for the reader)")
        self.say()

    def timing(self, steps: Sequence[tuple[str, float]], page: Page) -> None:
        """Print how long each step of the link and each part of the page took.

        `steps` are the names and seconds of the link's steps, in their order.
        """
        rows = [
            *((f"link: {name}", seconds) for name, seconds in steps),
            ("page: CONNECT answered", page.connect_s),
            ("page: first byte", page.first_byte_s - page.connect_s),
            ("page: rest", page.total_s - page.first_byte_s),
        ]
        longest = max(seconds for _, seconds in rows) or 1.0
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        table.add_column(min_width=26)
        table.add_column(justify="right", min_width=9)
        table.add_column()
        for name, seconds in rows:
            bar = "━" * max(1, round(BAR_CHARS * seconds / longest))
            table.add_row(Text(f"    {name}"), f"{1000 * seconds:.1f} ms", Text(bar, style="cyan"))
        self._console.print(table)
        link_s = sum(seconds for _, seconds in steps)
        self.say(
            f"    link ready in {1000 * link_s:.0f} ms, "
            f"page of {len(page.body)} bytes in {1000 * page.total_s:.0f} ms"
        )
        self.say()

    def _line(self, mark: str, style: str, text: str, took_s: float) -> None:
        line = Text.assemble((mark, style), f" {text}  ", (_took(took_s), "dim"))
        self._console.print(line, soft_wrap=True)


def _took(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
