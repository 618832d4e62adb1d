"""Everything that a reader may see of the reading page, for a look at it and for axe-core."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, Route

from passerelle.readingpage import BUILT_READER

ROOT: Final = Path(__file__).resolve().parents[2]
ESBUILD: Final = ROOT / "widget" / "node_modules" / ".bin" / "esbuild"
GALLERY: Final = ROOT / "reader" / "tests" / "face" / "gallery.ts"
WORDS: Final = ROOT / "reader" / "src" / "words"
LANGUAGES: Final = tuple(sorted(path.stem for path in WORDS.glob("*.json")))
ADDRESS: Final = "https://face.example/"
"""Where `load` has the page: without https it has no cryptography."""
LEFT_OUT: Final = ("fonts.elsewhere.example", "a-long-name-of-statistics.tracker.example")


def words(language: str) -> Any:
    """Return the texts of a language."""
    return json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))


async def load(tab: Page) -> None:
    """Show the page in `tab`."""

    async def answer(route: Route) -> None:
        await route.fulfill(body=page(), content_type="text/html")

    await tab.route(ADDRESS, answer)
    await tab.goto(ADDRESS)


def page() -> str:
    """Return the page as HTML. Its function `show` takes what `scenes` returns."""
    script = subprocess.run(
        [ESBUILD, GALLERY, "--bundle", "--format=iife", "--target=es2022", "--charset=utf8"],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    ).stdout
    style = (BUILT_READER / "shell.css").read_text(encoding="utf-8")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f"<!doctype html><html lang=en><title>Face</title>{head}<style>{style}</style>"
        f"<body><script>{script}</script></body></html>"
    )


def scenes(language: str) -> dict[str, Any]:
    """Return each thing that may be seen in a language, by a name for its picture."""
    known = words(language)
    given = {"language": language, "words": known}
    alone = {"isShown": False, "volunteers": 0, "countries": []}
    chip = {**given, "kind": "chip"}
    return {
        "notice": {**given, "kind": "notice"},
        "unable": {**given, "kind": "notice", "unable": "no_webrtc"},
        "connecting": {**chip, "state": alone},
        "loading": {**chip, "state": {**alone, "volunteers": 1, "countries": ["CA"]}},
        "reading": chip,
        "one": {**chip, "state": {"volunteers": 1, "countries": []}},
        "open": {**chip, "isOpen": True, "state": {"leftOut": LEFT_OUT}},
        "article": {**chip, "isOpen": True, "state": {"isArticle": True}},
        "outside": {**given, "kind": "outside"},
        "friend": {**given, "kind": "friend"},
        "friend-wrong": {**given, "kind": "friend", "pasted": "passerelle-answer1: cut o"},
        **{
            f"trouble-{trouble}": {**chip, "state": {**alone, "trouble": trouble}}
            for trouble in known["reasons"]
        },
        "trouble-reading": {**chip, "state": {"trouble": "site_silent"}},
    }
