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


def visible(text: str) -> str:
    """Return `text` without characters that nobody sees: Unicode's format characters (Cf)."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf")


def clean(text: str) -> str:
    """Return `text` without invisible characters, and without blanks and marks around it."""
    return _AROUND.sub("", visible(text))


def name(character: str) -> str:
    """Return a name by which a person can find a character: itself, and what Unicode calls it."""
    code = f"U+{ord(character):04X}"
    known = unicodedata.name(character, "")
    shown = f"“{character}” " if character.isprintable() and not character.isspace() else ""
    return f"{shown}({code} {known})" if known else f"{shown}({code})"
