"""Options that hold a secret: an invite, a token, the login of a shared proxy.

Every user of a machine sees every command line, and shells keep them. So each of these can also
come from a file, from an environment variable, or from a line of standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from passerelle import limits
from passerelle.commands.running import say
from passerelle.errors import ConfigError

STANDARD_INPUT: Final = "-"
INVITE_VARIABLE: Final = "PASSERELLE_INVITE"
TOKEN_VARIABLE: Final = "PASSERELLE_TOKEN"  # noqa: S105 - a name
LOGIN_VARIABLE: Final = "PASSERELLE_LOGIN"

Invite = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar=INVITE_VARIABLE,
        help="The invite itself, in quotes: 'https://bridge.example/#…'; with - it is read from "
        "standard input. Other users of this computer see it in the list of programs if you write "
        "it here.",
    ),
]
InviteFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the invite that you were given."),
]
Token = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        envvar=TOKEN_VARIABLE,
        help="A token that the network's operator gave you; with - it is read from standard input. "
        "A busy network lets it pass first.",
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File with the token, instead of --token.")
]
LoginFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with one line NAME:PASSWORD that programs must give to use the proxy "
        f"(or ${LOGIN_VARIABLE}). Only with it may --listen name an address that other machines "
        "reach. Both travel there unsealed: use it in a network that you trust.",
    ),
]


def invite_text(given: str | None, file: Path | None) -> str:
    """Return the invite from wherever it was given. Raises ConfigError if it was not given."""
    text = secret(given or "", file, "invite")
    if not text:
        raise ConfigError(
            "Which network? Put the invite that you were given into a file and name it with "
            f"--invite-file, or into the environment variable {INVITE_VARIABLE}."
        )
    return text


def secret(given: str, file: Path | None, what: str) -> str:
    """Return what `file` holds, or else `given`, or a line of standard input where that is `-`.

    `what` is the word by which a person is asked for that line, or told that it is missing.
    Raises ConfigError when the file cannot be read, and when it or the line is empty.
    """
    if file is not None and str(file) != STANDARD_INPUT:
        text = _content(file)
        if not text:
            raise ConfigError(f"{file} is empty. Put the {what} into it, or check its name.")
        return text
    if file is not None or given == STANDARD_INPUT:
        if sys.stdin.isatty():
            say(f"Paste the {what} here and press Enter:")
        text = sys.stdin.readline(limits.SECRET_FILE_BYTES).strip()
        if not text:
            raise ConfigError(f"The line of standard input that should be the {what} is empty.")
        return text
    return given


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limits.SECRET_FILE_BYTES).decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} holds no text. Check its name.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
