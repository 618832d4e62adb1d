"""This machine as a host of the laboratory, for measurements on loopback."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import Namespace


class ThisMachine(Namespace):
    """Starts programs as a `Namespace` does, but on this machine; leaving its `with` ends them."""

    def __init__(self, label: str = "here") -> None:
        super().__init__(label, label, Path(tempfile.mkdtemp(prefix="passerelle-bench-")))
        self.address = "127.0.0.1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def create(self) -> None:
        """Do nothing: this machine exists."""

    def remove(self) -> None:
        """End all programs started here. Idempotent."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def words(self, *command: str) -> list[str]:
        """Return the command unchanged."""
        return list(command)
