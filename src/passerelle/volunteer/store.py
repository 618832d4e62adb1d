"""The file that keeps a volunteer's counts: it survives a crash, a full disk and kill -9.

It has two places of `_SLOT_BYTES`, written in turn and in place. A write that is broken off spoils
one place, and the other still holds the counts before it. A place that is there already needs no
room on a full disk.

| bytes | of a place |
|---|---|
| 8 | number of the write, big-endian; the later one counts |
| 4 | length of the text |
| 4 | CRC-32 of number, length and text |
| … | the counts as JSON |

Bytes are written down before they are carried, in steps: after a crash the counts are too high by
one step at most, and never too low. Links and people are written down one by one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import zlib
from datetime import date
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec

from passerelle import limits
from passerelle.errors import LocalError
from passerelle.volunteer.usage import Usage

FILE: Final = "usage"
STEP_BYTES: Final = 16 * limits.MIB
"""What is written down ahead."""
_SLOT_BYTES: Final = 8192
_HEAD = Struct(">QII")
_CHECKED = Struct(">QI")

_log = logging.getLogger(__name__)


class UsageStore:
    """Counts in memory, and on the disk where a folder is given."""

    def __init__(self, folder: Path | None) -> None:
        """Read what is there. Raises LocalError where the folder cannot be used."""
        self.usage = Usage()
        self._number = 0
        self._ahead = 0
        """Bytes that are written down and not carried yet."""
        self._failing = False
        self._file: int | None = None
        if folder is not None:
            self._open(folder / FILE)

    def carry(self, size: int) -> None:
        """Count bytes, and write some more down ahead when those that were are used up."""
        self.usage.carry(size)
        self._ahead -= size
        if self._ahead < 0:
            self._ahead = STEP_BYTES
            self.save()

    def flow(self, country: str | None) -> None:
        """See `Usage.flow`. Each is written down, so that no crash lets a day have more of them."""
        self.usage.flow(country)
        self.save()

    def helped(self) -> None:
        """Count somebody who is helped."""
        self.usage.helped += 1
        self.save()

    def turn(self, today: date) -> None:
        """See `Usage.turn`. A new day is written down."""
        if self.usage.day != today.isoformat():
            self.usage.turn(today)
            self.save()

    def save(self) -> None:
        """Write the counts, with what is ahead of them."""
        if self._file is None:
            return
        ahead = msgspec.structs.replace(self.usage)
        ahead.carry(self._ahead)
        text = msgspec.json.encode(ahead)
        self._number += 1
        check = zlib.crc32(_CHECKED.pack(self._number, len(text)) + text)
        block = _HEAD.pack(self._number, len(text), check) + text
        try:
            os.pwrite(self._file, block.ljust(_SLOT_BYTES, b"\0"), self._slot())
        except OSError as error:
            if not self._failing:
                _log.warning("the counts cannot be written (%s)", error.strerror)
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        """Write the counts as they are. Idempotent."""
        if self._file is not None:
            self._ahead = 0
            self.save()
            os.close(self._file)
            self._file = None

    def _slot(self) -> int:
        return self._number % 2 * _SLOT_BYTES

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = os.pread(self._file, 2 * _SLOT_BYTES, 0)
            # A place that is only begun once the disk is full could not be written.
            os.posix_fallocate(self._file, 0, 2 * _SLOT_BYTES)
        except BlockingIOError:
            raise LocalError(
                "Another volunteer runs with this folder of --state. Stop it, or name another one."
            ) from None
        except OSError as error:
            raise LocalError(
                f"The folder of --state cannot be used: {error.strerror}. Name another one."
            ) from error
        found = [each for at in (0, _SLOT_BYTES) if (each := _read(data[at : at + _SLOT_BYTES]))]
        if found:
            self._number, self.usage = max(found, key=lambda each: each[0])
        elif data.strip(b"\0"):
            _log.warning("the counts of earlier runs cannot be read, and begin anew")


def _read(block: bytes) -> tuple[int, Usage] | None:
    """Return the number and the counts of one place; None where it holds none."""
    if len(block) < _HEAD.size:
        return None
    number, length, check = _HEAD.unpack_from(block)
    text = block[_HEAD.size : _HEAD.size + length]
    if len(text) != length or zlib.crc32(_CHECKED.pack(number, length) + text) != check:
        return None
    try:
        return number, msgspec.json.decode(text, type=Usage)
    except (msgspec.MsgspecError, ValueError):
        return None
