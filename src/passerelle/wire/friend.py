"""Sealed messages as text that a reader and a friend who volunteers copy and paste.

`passerelle-ask1:LETTERS.` goes from reader to friend, `passerelle-answer1:LETTERS.` back. LETTERS
are base32 (RFC 4648 §6, in lower case, unpadded) of the sealed message and the first 4 bytes of
its SHA-256. The text has letters and digits only, because chats turn `_`, `*` and `-` into
formatting. Blanks, line ends, case, invisible characters, a mail program's `>`, and what stands
before or after do not count.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
import textwrap
from typing import Final

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire.pasted import visible

_CHECK_BYTES: Final = 4
_LINE_CHARS: Final = 72
TEXT_CHARS: Final = 4 * limits.TEXT_SEALED_BYTES
"""Length up to which a pasted text is looked at."""


class TextKind(enum.Enum):
    """The two texts, by what they begin with."""

    ASK = "passerelle-ask1:"
    """The reader's text; whoever answers it becomes the reader's volunteer."""
    ANSWER = "passerelle-answer1:"
    """The friend's text, which goes back to the reader."""


def encode(kind: TextKind, sealed: bytes) -> str:
    """Return `sealed` as text in lines. Raises ValueError when it is too long to be pasted."""
    if len(sealed) > limits.TEXT_SEALED_BYTES:
        raise ValueError("a message too long for a text")
    letters = base64.b32encode(sealed + _check(sealed)).decode("ascii").rstrip("=").lower()
    return textwrap.fill(f"{kind.value} {letters}.", _LINE_CHARS, break_on_hyphens=False)


def is_whole(text: str) -> bool:
    """Whether a text that arrives line by line has come to its end."""
    return visible(text).rstrip().endswith(".") or len(text) > TEXT_CHARS


def decode(kind: TextKind, text: str) -> bytes:
    """Return the sealed message in a pasted text.

    Raises ConfigError with a sentence for the person who pasted it.
    """
    lowered = visible(text[:TEXT_CHARS]).lower()
    other = TextKind.ANSWER if kind is TextKind.ASK else TextKind.ASK
    found = re.search(re.escape(kind.value) + r"([a-z2-7\s>]*)(.?)", lowered, re.DOTALL)
    if found is None:
        if other.value in lowered:
            raise ConfigError(
                f"This is the other one of the two texts: the one wanted here begins with "
                f"{kind.value!r}."
            )
        raise ConfigError(
            f"There is no text of Passerelle's in what was pasted: it begins with {kind.value!r}."
        )
    letters, end = re.sub(r"[\s>]+", "", found[1]), found[2]
    if not end:
        raise ConfigError("The text is cut off: its last character is a full stop. Copy all of it.")
    if end != ".":
        raise _damaged()
    try:
        whole = base64.b32decode(letters.upper() + "=" * (-len(letters) % 8))
    except (binascii.Error, ValueError):
        raise _damaged() from None
    sealed, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
    if len(sealed) > limits.TEXT_SEALED_BYTES or check != _check(sealed):
        raise _damaged()
    return sealed


def _check(sealed: bytes) -> bytes:
    return hashlib.sha256(sealed).digest()[:_CHECK_BYTES]


def _damaged() -> ConfigError:
    return ConfigError("The text was altered on the way. Copy it again, all of it, and paste it.")
