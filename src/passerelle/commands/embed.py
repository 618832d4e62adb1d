"""`passerelle embed`: print the lines that a publisher puts into a page."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from passerelle import limits, serverlimits
from passerelle.commands import secrets
from passerelle.commands.brokerfiles import fetch
from passerelle.commands.running import require_server_packages
from passerelle.core import embed
from passerelle.errors import ConfigError, LocalError

if TYPE_CHECKING:
    import aiohttp

    from passerelle.wire.invite import Invite

FETCH_S: Final = 15.0
PANEL: Final = "How the switch looks and how much it gives"


@dataclass(frozen=True, slots=True)
class Network:
    """What the tag and the page's policy name of a network."""

    invite: Invite
    script: embed.Script
    brokers: tuple[str, ...]
    exits: tuple[str, ...]
    extensions: embed.Extensions = field(default_factory=embed.Extensions)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("embed")(command)


def command(
    invite_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the network's invite; its broker is asked for the rest.",
        ),
    ] = None,
    invite: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The invite itself; with - it is read from standard input. It can also be in the "
            f"environment variable {secrets.INVITE_VARIABLE}.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with your own network's keys, with --url. Nobody is asked then.",
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Public address of your broker.")
    ] = None,
    exit_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Public address of your exit, if it is not the broker's."),
    ] = None,
    layout: Annotated[
        embed.Layout, typer.Option(help="Shape of the switch.", rich_help_panel=PANEL)
    ] = embed.Layout.PANEL,
    corner: Annotated[
        embed.Corner | None,
        typer.Option(help="Where the floating layout stands.", rich_help_panel=PANEL),
    ] = None,
    theme: Annotated[
        embed.Theme, typer.Option(help="Colours of the switch.", rich_help_panel=PANEL)
    ] = embed.Theme.AUTO,
    lang: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help=f"Language of the switch, instead of the page's: {', '.join(embed.LANGUAGES)}.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    people: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="People that one visitor helps at once, at most.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    mbit: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Megabits that one visitor relays a second, at most.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    megabytes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Megabytes that one visitor relays a day, at most.", rich_help_panel=PANEL
        ),
    ] = None,
    hours: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM-HH:MM",
            help="Hours in which visitors help, by their own clock.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    no_keep: Annotated[
        bool,
        typer.Option(
            "--no-keep",
            help="Offer visitors no way to go on helping after they leave the page.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    chromium: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Link to the extension for Chromium, Chrome and Edge, instead of the network's "
            "own; an empty text offers none.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    firefox: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The same for the extension for Firefox.", rich_help_panel=PANEL
        ),
    ] = None,
) -> None:
    """Print the tag for a publisher's page, and the lines to add to the page's policy.

    The tag holds the script's exact hash: a browser runs that script and no other. Visitors may
    give less than the limits in the tag. The broker's page /embed does the same, with a preview.
    """
    choices = embed.Choices(
        layout=layout,
        corner=corner,
        theme=theme,
        language=lang,
        people=people,
        mbit=mbit,
        megabytes=megabytes,
        hours=hours,
        keep=not no_keep,
        extensions=embed.Extensions(chromium=chromium or "", firefox=firefox or ""),
    )
    given = secrets.secret(invite or "", invite_file, "invite")
    if (state, url, exit_url) == (None, None, None):
        given = given or os.environ.get(secrets.INVITE_VARIABLE, "")
    if given and state is None and url is None and exit_url is None:
        network = asyncio.run(_ask(given))
    elif not given and state is not None and url is not None:
        network = _own(state, url, exit_url)
    else:
        raise ConfigError(
            "Which network? Give --invite-file with the invite you were given, or, where your "
            "network's keys are, --state with their folder and --url with the broker's public "
            "address."
        )
    known = network.extensions
    extensions = embed.Extensions(
        chromium=known.chromium if chromium is None else chromium,
        firefox=known.firefox if firefox is None else firefox,
    )
    _print(network, replace(choices, extensions=extensions))


def _print(network: Network, choices: embed.Choices) -> None:
    print(embed.tag(network.script, network.invite, choices))
    lines = embed.policy(network.invite.url, network.brokers, network.exits)
    _say("\nPut the two lines above into the page, the second where the switch should be.")
    _say("If the page has a Content Security Policy, add to it:\n")
    for line in lines.splitlines():
        _say(f"    {line}")
    if choices.layout in embed.ROOM:
        _say(
            "\nThe tag's style keeps the switch's room free until the script has come. Where the "
            "policy\nforbids such attributes, put it into the style sheet instead."
        )


def _own(state: Path, url: str, exit_url: str | None) -> Network:
    require_server_packages()
    from passerelle import serve  # noqa: PLC0415 - WebRTC takes a second to load
    from passerelle.keyring import OPERATOR_FILE, Keyring  # noqa: PLC0415
    from passerelle.wire.invite import parse  # noqa: PLC0415

    if not (state / OPERATOR_FILE).exists():
        raise ConfigError(
            f"{state} holds no network's keys. Name the folder that `passerelle serve --state` "
            "made, or give --invite-file instead."
        )
    own_exit = serve.link_url(exit_url or url)
    invite = parse(str(Keyring.open(state).invite(url.rstrip("/"))))
    script = serve.widget_script(serve.BUILT_WIDGET)
    return Network(invite, script, (invite.url,), (own_exit,))


async def _ask(text: str) -> Network:
    import aiohttp  # noqa: PLC0415 - see above

    from passerelle.broker.assets import script_in  # noqa: PLC0415
    from passerelle.wire import descriptor, invite  # noqa: PLC0415

    given = invite.parse(text)
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
        document = await fetch(http, f"{given.url}/v1/network", limits.DESCRIPTOR_BYTES)
        manifest = await fetch(http, f"{given.url}/w/manifest.json", serverlimits.WIDGET_FILE_BYTES)
        extensions = await _extensions(http, given.url)
    network = descriptor.verify(document, given.operator_key, now_s=time.time())
    script = script_in(manifest)
    if script is None:
        raise ConfigError(
            f"{given.url} does not say which script pages should load. Ask the network's operator "
            "to build the widget and start the broker again."
        )
    brokers = tuple(entry.url for entry in network.brokers)
    exits = tuple(entry.url for entry in network.exits)
    return Network(given, script, brokers, exits, extensions)


async def _extensions(http: aiohttp.ClientSession, url: str) -> embed.Extensions:
    """Return the extensions of the network whose broker is at `url`: none where it is older."""
    import msgspec  # noqa: PLC0415 - see above

    try:
        text = await fetch(http, url + embed.EXTENSIONS_PATH, serverlimits.EXTENSIONS_BYTES)
        links = msgspec.json.decode(text, type=dict[str, str])
        return embed.Extensions(
            chromium=links.get("chromium", ""), firefox=links.get("firefox", "")
        )
    except (LocalError, ConfigError, msgspec.DecodeError, UnicodeDecodeError):
        return embed.Extensions()


def _say(line: str) -> None:
    print(line, file=sys.stderr)
