"""Standard output and error that may go away while a program goes on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class LossyText:
    """A text stream whose words are lost, instead of an error raised, when it cannot be written.

    A disk is full, a pipe's reader has ended, or the stream was closed before the program began
    (then Python has None in its place). None of these is a reason for a reader's proxy or a server
    to end.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` or lose it; return its length."""
        if self._stream is not None:
            with suppress(OSError, ValueError):  # a closed stream raises ValueError
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or lose it."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def outlive_readers() -> None:
    """Let this process go on when nobody can read its standard output or error any more."""
    sys.stdout = cast(TextIO, LossyText(sys.stdout))
    sys.stderr = cast(TextIO, LossyText(sys.stderr))
