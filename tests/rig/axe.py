"""Run axe-core (npm's `axe-core`), which finds barriers for people with disabilities in a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Protocol

ROOT: Final = Path(__file__).resolve().parents[2]
AXE: Final = ROOT / "widget" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = (
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"),
    "best-practice",
)


class Page(Protocol):
    """A page of Chromium or Firefox."""

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; a function is called, a promise awaited."""
        ...


async def violations(page: Page) -> list[str]:
    """Return a sentence for each fault of the whole page, shadow roots included."""
    if not await page.evaluate("typeof axe === 'object'"):
        assert AXE.exists(), "axe-core is not installed. Run `make setup`."
        await page.evaluate(f"() => {{ {AXE.read_text(encoding='utf-8')}\n }}")
    options = json.dumps(
        {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    )
    found = await page.evaluate(
        f"() => axe.run(document, {options}).then(({{ violations, passes }}) => ({{"
        " passes: passes.length,"
        " violations: violations.flatMap(({ id, help, nodes }) =>"
        "   nodes.map((node) => `${id}: ${help} (${node.target.flat().join(' ')})"
        " ${node.any.map(({ message }) => message).join('; ')}`)) }))"
    )
    # A run that looked at nothing would find no fault either.
    assert found["passes"] > 0
    return list(found["violations"])
