"""The files of a volunteer's family: its token, and the link that holds it.

Whoever has the token is helped. So only this account may read the files, and a link is shown on a
terminal but never where output is kept.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from passerelle.errors import LocalError
from passerelle.wire import base64url
from passerelle.wire.family import TOKEN_BYTES, parse
from passerelle.wire.invite import Invite

FILE: Final = "family"
LINK_FILE: Final = "family-link"
_MOST_BYTES: Final = 64


def token(folder: Path, *, anew: bool) -> bytes:
    """Return the token kept in `folder`; make one where there is none, or `anew`.

    A new token takes the place of the old one, whose links are of no use from then on. Only this
    account may read the file. Raises LocalError where it cannot be used.
    """
    path = folder / FILE
    try:
        if not anew:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                return parse(file.read(_MOST_BYTES).decode().strip())
        made = secrets.token_bytes(TOKEN_BYTES)
        _write(path, base64url.encode(made))
    except OSError as error:
        raise _unusable(path, error) from error
    except ValueError:
        raise LocalError(
            f"The file {FILE} in the folder of --state holds no token of a family. --new-family "
            "makes a new one, and your friends need the new link."
        ) from None
    return made


def keep_link(folder: Path, link: Invite) -> Path:
    """Write the link into `folder` and return the file. Raises LocalError."""
    path = folder / LINK_FILE
    try:
        _write(path, str(link))
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with open(beside, "x", opener=_private, encoding="utf-8") as file:
        file.write(text + "\n")
    beside.replace(path)


def _unusable(path: Path, error: OSError) -> LocalError:
    return LocalError(
        f"The file {path.name} in the folder of --state cannot be used: {error.strerror}. Name "
        "another folder."
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
