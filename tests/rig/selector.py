"""Find elements by Playwright's selectors in browsers that Playwright does not drive.

Selectors are CSS or `role=button[name="Turn on"]`; shadow roots are searched too.
"""

from __future__ import annotations

import re
from typing import Final

ROLES: Final = {
    "button": "button:not([role]), [role=button]",
    "checkbox": "input[type=checkbox]:not([role]), [role=checkbox]",
}
"""CSS for roles that elements have without a `role` attribute."""
_ROLE = re.compile(r'role=(\w+)(?:\[name="([^"]*)"\])?')

FIND: Final = """(selector, text) => {
  const found = [];
  const search = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.matches(selector) && node.getClientRects().length > 0
          && (text === null || (node.ariaLabel ?? node.innerText).includes(text))) found.push(node);
      if (node.shadowRoot) search(node.shadowRoot);
    }
  };
  search(document);
  const node = found.at(-1) ?? null;
  node?.scrollIntoView({ block: 'center', behavior: 'instant' });
  return node;
}"""
"""A JavaScript function that takes CSS and a text, and returns the innermost element that matches.

The innermost of several elements with the text is the last one in the document's order.
"""


def parse(selector: str, text: str | None = None) -> tuple[str, str | None]:
    """Return CSS, and the text that the element must contain."""
    if role := _ROLE.fullmatch(selector):
        return ROLES.get(role[1], f"[role={role[1]}]"), role[2] or text
    return selector, text
