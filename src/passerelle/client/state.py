"""What a client remembers between runs: how the ways to the brokers went, and the descriptor.

It is one small file. It holds nothing about the person: no address, no destination, no volunteer. A
way is named by its kind and a hash of where it leads, which anybody can compute from the
descriptor.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.core.way_ranking import WayRecord

FILE: Final = "client.json"

_log = logging.getLogger(__name__)


class _Stored(msgspec.Struct):
    """The content of the file."""

    operator_key: bytes
    document: Annotated[bytes, Meta(max_length=2 * limits.DESCRIPTOR_BYTES)] = b""
    ways: Annotated[dict[str, WayRecord], Meta(max_length=limits.RANKED_WAYS)] = {}


@dataclass(slots=True)
class ClientState:
    """What is remembered of one network."""

    operator_key: bytes
    """Ed25519 public key of the network's operator; a file of another network is not used."""
    path: Path | None = None
    """The file; None keeps nothing on disk."""
    document: bytes = b""
    """The last signed descriptor, which the reader must verify; empty without one."""
    ways: dict[str, WayRecord] = field(default_factory=dict)
    """Records of the ways, by route key."""
    saved_document: bytes = b""
    """The signed descriptor that the file holds."""

    def load(self) -> None:
        """Read the file, if there is one. A damaged file counts as none."""
        if self.path is None:
            return
        try:
            stored = msgspec.json.decode(self.path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            _log.warning("the remembered state cannot be read (%s)", type(error).__name__)
            return
        if stored.operator_key == self.operator_key:
            self.document = self.saved_document = stored.document
            self.ways = stored.ways

    def save(self) -> None:
        """Write the file, whole or not at all. A client that cannot write it goes on without."""
        if self.path is None:
            return
        stored = _Stored(self.operator_key, self.document, self.ways)
        try:
            self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=FILE)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(stored))
                Path(temporary).replace(self.path)
                self.saved_document = self.document
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
        except OSError as error:
            _log.warning("the state cannot be remembered (%s)", error.strerror)
            self.path = None


def default_path() -> Path:
    """Return the file in the account's folder for state (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return folder / "passerelle" / FILE
