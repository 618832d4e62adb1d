from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.wire import pasted


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" \u200e“https://a.example/#k_-”. ", "https://a.example/#k_-"),
        ("[('x')],", "x"),
        ("a b", "a b"),
        ("\ufeffa\u200b\u2066b", "ab"),
        ("a\u034f\u3164\ufe0f\U000e0100b", "ab"),
        ("", ""),
    ],
)
def test_what_stands_around_a_text_goes(text: str, kept: str) -> None:
    """Invisible characters, quotes, brackets and the end of a sentence go; the text stays."""
    assert pasted.clean(text) == kept


@given(st.text())
def test_cleaning_once_is_enough(text: str) -> None:
    """What remains has no invisible characters and gains none by the cleaning."""
    cleaned = pasted.clean(text)
    assert pasted.visible(cleaned) == cleaned
    assert cleaned in pasted.visible(text)


@pytest.mark.parametrize(
    ("character", "words"),
    [
        ("\u00a0", "(U+00A0 NO-BREAK SPACE)"),
        ("–", "“–” (U+2013 EN DASH)"),
        ("\n", "(U+000A)"),
    ],
)
def test_a_character_is_named_so_that_people_find_it(character: str, words: str) -> None:
    """Visible ones are shown; the others have only their name."""
    assert pasted.name(character) == words
