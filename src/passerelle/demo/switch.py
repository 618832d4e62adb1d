"""The switch on a publisher's page, for the demos: pressing it in a browser without a window."""

from __future__ import annotations

from typing import Final

from passerelle.demo.browser import Browser
from passerelle.errors import LocalError

ELEMENT: Final = "document.querySelector('passerelle-switch')"
"""JavaScript for the switch's element in a page."""
PRESS: Final = f"{ELEMENT}.shadowRoot.querySelector('button[role=switch]').click()"
"""JavaScript that clicks the switch."""
AGREE: Final = f"{ELEMENT}.shadowRoot.querySelector('[part~=agree]')"
"""JavaScript for the button by which a visitor agrees to help."""
PHASE: Final = f"{ELEMENT}?.shadowRoot?.querySelector('[data-phase]')?.dataset.phase"
"""JavaScript for the switch's phase, such as off, consent, connecting, waiting or helping."""
STATUS: Final = f"{ELEMENT}?.shadowRoot?.querySelector('[part=status]')?.textContent"
"""JavaScript for the status sentence that the switch shows."""


async def turn_on(browser: Browser) -> None:
    """Press the switch, agree, and wait until the volunteer waits for readers.

    Raises LocalError with the switch's own words when it has a problem.
    """
    await browser.until(f"{PHASE} === 'off'")
    await browser.evaluate(PRESS)
    # The consent text comes with a file of its own.
    await browser.until(f"{PHASE} !== 'off' && ({PHASE} !== 'consent' || !!{AGREE})")
    if await browser.evaluate(PHASE) == "consent":
        await browser.evaluate(f"{AGREE}.click()")
    await browser.until(f"['waiting', 'helping', 'problem'].includes({PHASE})")
    if await browser.evaluate(PHASE) == "problem":
        raise LocalError(f"The switch says: {await browser.evaluate(STATUS)}")


async def turned_on(browser: Browser) -> None:
    """Wait until a person has turned the switch on."""
    await browser.until(f"['waiting', 'helping'].includes({PHASE})")
