"""Texts that people copy from chats and mails, and what such programs add to them.

Chats put invisible characters around a link (direction marks, zero-width spaces), mail programs
and people put it in quotes or brackets and end the sentence behind it. None of that can belong to
an invite, a token or a friend's text, so it is taken off. `widget/src/core/wire/pasted.ts` does the
same.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_AROUND: Final = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9_-]+$")
"""What no invite, token or friend's text begins or ends with."""

_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What Unicode lets programs show as nothing (Default_Ignorable_Code_Point): direction marks,
zero-width spaces, and the variation selector that some keyboards put behind a #."""


def visible(text: str) -> str:
    """Return `text` without characters that nobody sees."""
    return _UNSEEN.sub("", text)


def clean(text: str) -> str:
    """Return `text` without invisible characters, and without blanks and marks around it."""
    return _AROUND.sub("", visible(text))


def name(character: str) -> str:
    """Return a name by which a person can find a character: itself, and what Unicode calls it."""
    code = f"U+{ord(character):04X}"
    known = unicodedata.name(character, "")
    shown = f"“{character}” " if character.isprintable() and not character.isspace() else ""
    return f"{shown}({code} {known})" if known else f"{shown}({code})"
