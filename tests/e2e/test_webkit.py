"""The reading page in a real WebKit without WebRTC: what it says, and how it looks on a phone.

The pictures are in `.artefacts/webkit`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.rig import face
from tests.rig.reading import Reading, chromium
from tests.rig.webkit import Phone, WebKit

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(90),
]

PICTURES: Final = Path(__file__).resolve().parents[2] / ".artefacts" / "webkit"
TOO_WIDE: Final = """() => [...document.querySelectorAll('html, main, .chip, dialog')]
  .some((one) => one.scrollWidth > one.clientWidth + 1)"""
CHOOSE: Final = """(language) => {
  const choice = document.querySelector('.choice');
  choice.value = language;
  choice.dispatchEvent(new Event('change'));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def webkit() -> AsyncIterator[WebKit]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with WebKit() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phone() -> AsyncIterator[Phone]:
    async with Phone({"/face": face.page()}) as running:
        yield running


async def test_without_webrtc_the_notice_says_what_can_be_done(
    webkit: WebKit, phone: Phone
) -> None:
    """At once and in the reader's language, with nothing to press that could not work."""
    async with Reading(chromium()) as reading:
        await webkit.goto(phone.framed(f"{reading.url}/story/harvest"))
        await webkit.enter_frame()
        assert await webkit.evaluate("() => typeof RTCPeerConnection") == "undefined"
        for language in ("en", "fa"):
            await webkit.wait_for_function("() => document.querySelector('.choice')")
            await webkit.evaluate(CHOOSE, language)
            words = face.words(language)
            # The page has the language a moment before its words.
            said = json.dumps(words["reasons"]["no_webrtc"])
            await webkit.wait_for_function(
                f"() => document.querySelector('.unable')?.textContent === {said}"
            )
            assert await webkit.evaluate("() => document.documentElement.lang") == language
            buttons = "() => [...document.querySelectorAll('button')].map((b) => b.textContent)"
            assert await webkit.evaluate(buttons) == [words["again"], words["leave"]]
            assert not await webkit.evaluate(TOO_WIDE)
            await webkit.screenshot(PICTURES / f"{language}-unable.png")
        assert not [path for path in reading.mirror_paths if path == "/passerelle-reader.js"]


async def test_everything_fits_on_a_phone(webkit: WebKit, phone: Phone) -> None:
    """From left to right and from right to left, each state of the sign and each trouble."""
    await webkit.goto(phone.framed(f"http://localhost:{phone.port}/face"))
    await webkit.enter_frame()
    for language in ("en", "ar"):
        for name, scene in face.scenes(language).items():
            await webkit.evaluate("(scene) => show(scene)", scene)
            assert not await webkit.evaluate(TOO_WIDE), name
            if name in {"notice", "reading", "open", "outside", "trouble-no_link"}:
                await webkit.screenshot(PICTURES / f"{language}-{name}.png")
