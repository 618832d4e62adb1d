"""Private files in one folder: who may have them, and how they are written and read."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from passerelle.errors import ConfigError

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_ROOT: Final = 0


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder for writing, and make it if it does not exist. Others wait.

    What was written is on the disk at the end: the folder's own list of names, too. Raises OSError,
    and ConfigError when others may write into the folder.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    for made in missing:
        _sync(made.parent)
    check_folder(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def check_folder(folder: Path) -> None:
    """Raise ConfigError when another account owns the folder or may write into it."""
    found = folder.stat()
    if not _is_ours(found):
        raise _foreign(folder)
    if found.st_mode & _OTHERS_WRITE:
        raise ConfigError(
            f"Other accounts of this machine can put their own keys into {folder}. Run: "
            f"chmod 700 {folder} (and if somebody else may have done so, make new keys in another "
            "folder)."
        )


def read(path: Path) -> bytes:
    """Return the content of a private file.

    Raises ConfigError when other accounts may read or own it, and OSError.
    """
    return _read(path, _OTHERS, "read", "read it, make new keys in another folder")


def read_public(path: Path) -> bytes:
    """Return the content of a file that all may read.

    Raises ConfigError when other accounts may change or own it, and OSError.
    """
    return _read(path, _OTHERS_WRITE, "changed", "done so, copy it from the broker again")


def _read(path: Path, forbidden: int, may_be: str, remedy: str) -> bytes:
    with path.open("rb") as file:
        # The file that is open is judged, and not what stands at its name a moment later.
        found = os.fstat(file.fileno())
        if not _is_ours(found):
            raise _foreign(path)
        if found.st_mode & forbidden:
            raise ConfigError(
                f"{path} can be {may_be} by other accounts of this machine. Run: chmod 600 {path} "
                f"(and if somebody else may have {remedy})."
            )
        return file.read()


def write(path: Path, content: bytes) -> None:
    """Write a private file in one step. Raises FileExistsError if it is there already."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A rename would replace another program's key; a hard link fails if the name is taken.
        path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def replace(path: Path, content: bytes) -> None:
    """Write a private file in one step, in place of the one that is there. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write(draft, content)
    draft.replace(path)


def _is_ours(found: os.stat_result) -> bool:
    # Root may use what belongs to a service's account, as `sudo passerelle token` does.
    return os.geteuid() == _ROOT or found.st_uid in {_ROOT, os.geteuid()}


def _foreign(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} belongs to another account, which can change it. Run: chown {os.geteuid()} {path} "
        "(and if it may not be yours, make new keys in another folder)."
    )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
