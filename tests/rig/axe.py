"""axe-core, which finds what people with disabilities would stumble over (npm's `axe-core`)."""

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
    """A page of either browser."""

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of what a function gives."""
        ...


async def violations(page: Page) -> list[str]:
    """Return what is wrong with the whole page, shadow roots included, one sentence each."""
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
    # A run that looked at nothing has nothing to complain of either.
    assert found["passes"] > 0
    return list(found["violations"])
