"""`passerelle token`: print a token for readers that an operator trusts."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from passerelle import limits

DAY_S = 86_400


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("token")(token)


def token(
    state: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder with the network's keys, as for `serve`."),
    ],
    days: Annotated[
        int, typer.Option(min=1, max=3660, help="Days for which the token is valid.")
    ] = 30,
    volunteers: Annotated[
        int,
        typer.Option(
            min=1,
            max=limits.TOKEN_VOLUNTEERS,
            help="Volunteers that all its users together may learn of in a day.",
        ),
    ] = 64,
) -> None:
    """Print a new token for readers you trust.

    A reader who starts the client with --token-file is let in without a proof of work, and may
    learn of more volunteers a day than the reader's network could otherwise. All users of a token
    share what it allows, so give each group a token of its own. A token cannot be taken back before
    it ends.
    """
    from passerelle.errors import ConfigError  # noqa: PLC0415 - as in cli
    from passerelle.keyring import OPERATOR_FILE, Keyring  # noqa: PLC0415 - loads OpenSSL
    from passerelle.wire import tokens  # noqa: PLC0415

    if not (state / OPERATOR_FILE).exists():
        raise ConfigError(
            f"There is no network in {state}. Name the folder that you give to `passerelle serve`."
        )
    made = tokens.Token(secrets.token_bytes(16), int(time.time()) + days * DAY_S, volunteers)
    print(tokens.sign(made, Keyring.open(state).broker_ticket))
