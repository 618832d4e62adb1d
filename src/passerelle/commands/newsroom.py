"""`passerelle newsroom`: let a publisher see what the volunteers on its pages do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passerelle.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("newsroom")(newsroom)


def newsroom(
    state: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder with the network's keys, as for `serve`."),
    ],
    pages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAGE]...",
            help="Addresses of one publisher's site, such as https://news.example and "
            "https://www.news.example. What comes after the host does not matter. Without any, the "
            "publishers are listed.",
            show_default=False,
        ),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Make the token of these pages' publisher void.")
    ] = False,
) -> None:
    """Give a publisher a token for the page `/newsroom` of your broker.

    There the publisher sees how many volunteers its own pages bring, by the hour, how often they
    helped a reader, and how much data they carried; rounded, and of no other publisher. A running
    `serve` takes notice at once, and counts the volunteers who come from then on. The token is
    shown once. A new one for the same pages makes the old one void, and the counts go on.
    """
    from passerelle.keyring import OPERATOR_FILE  # noqa: PLC0415 - loads OpenSSL
    from passerelle.publisherfile import PublisherFile, page_origin  # noqa: PLC0415 - as in cli

    if not (state / OPERATOR_FILE).exists():
        raise ConfigError(
            f"There is no network in {state}. Name the folder that you give to `passerelle serve`."
        )
    file = PublisherFile(state)
    origins = list(dict.fromkeys(page_origin(page) for page in pages or ()))
    if not origins:
        if withdraw:
            raise ConfigError("Name a page of the publisher whose token is to be withdrawn.")
        for entry in file.read().entries:
            print(" ".join(entry.pages))
    elif withdraw:
        known = file.read()
        for origin in origins:
            if known.of_page(origin) is None:
                raise ConfigError(f"No publisher has {origin}. Without a page, all are listed.")
        for origin in origins:
            # Pages of one publisher have one token.
            file.withdraw(origin)
            print(f"The token of {origin} is void.")
    else:
        token = file.give(origins)
        print(f"Token for {' '.join(origins)}:\n\n    {token}\n")
        print("The publisher enters it at /newsroom of your broker. It is not shown again.")
