"""`passerelle page`: make the page on which a publisher's blocked readers read the site."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from passerelle import limits, readingpage, survival
from passerelle.commands import secrets
from passerelle.commands.brokerfiles import fetch
from passerelle.commands.running import require_server_packages
from passerelle.errors import ConfigError
from passerelle.readingpage import ReadingPage

FETCH_S: Final = 15.0
AWAY: Final = "Check the broker's address, that it runs, and this computer's connection."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("page")(command)


def command(
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Where the page is written: a new folder, or one made before."
        ),
    ],
    state: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder with your own network's keys, with --url."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Public address of your broker.")
    ] = None,
    invite_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the network's invite, instead of --state."),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name of the site, the main one first; all names that the exit serves if it is "
            "not given.",
        ),
    ] = None,
    survive: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help=f"Also write {survival.FILE}, with which the site itself goes on when it is "
            "blocked, and the file that withdraws it.",
        ),
    ] = None,
    site_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="With --survive: the key with which the site's server signs proofs, in base64.",
        ),
    ] = None,
) -> None:
    """Make the page on which blocked readers read a publisher's site, with nothing installed.

    FOLDER then holds a mirror, which any web server can show under a host name of its own, and
    reader.html, one file that people pass on. The broker must be running: it is asked for the
    network's signed description. Make the page anew at least once in the time that lasts.
    """
    if site_key is not None and survive is None:
        raise ConfigError(
            "--site-key goes into the file that --survive writes, and into nothing else. Give "
            "--survive FOLDER too, or leave the key out."
        )
    key = _site_key(site_key)
    invite = _invite(state, url, invite_file)
    files = readingpage.built()
    page = asyncio.run(_ask(invite, tuple(site or ())))
    mirror = readingpage.mirror(files, page)
    mirror[readingpage.SINGLE_FILE] = readingpage.single_file(files, page)
    _write(out, mirror)
    _tell(out, page, mirror)
    if survive is not None:
        operator = None
        if state is not None and url is not None:
            from passerelle.keyring import Keyring  # noqa: PLC0415

            operator = Keyring.open(state).operator
        _write_survival(survive, survival.survival(files, page, key, operator=operator), page)


def _invite(state: Path | None, url: str | None, invite_file: Path | None) -> str:
    if state is not None and url is not None and invite_file is None:
        parts = urlsplit(url)
        is_web = parts.scheme in {"https", "http"} and parts.netloc
        if not is_web or parts.query or parts.fragment:
            raise ConfigError(
                f"--url {url} is no public address. Write the broker's as the invite has it, for "
                "example https://bridge.example."
            )
        require_server_packages()
        from passerelle.commands import addresses  # noqa: PLC0415 - it loads what servers need
        from passerelle.keyring import OPERATOR_FILE, Keyring  # noqa: PLC0415

        addresses.require_usable("--url", (url,))
        if not (state / OPERATOR_FILE).exists():
            raise ConfigError(
                f"{state} holds no network's keys. Name the folder that `passerelle serve --state` "
                "made, or give --invite-file instead."
            )
        return str(Keyring.open(state).invite(url.rstrip("/")))
    given = secrets.secret("", invite_file, "invite")
    if (state, url) == (None, None):
        given = given or os.environ.get(secrets.INVITE_VARIABLE, "")
        if given:
            return given
    raise ConfigError(
        "Which network? Give --invite-file with its invite, or, where your network's keys are, "
        "--state with their folder and --url with the broker's public address."
    )


async def _ask(text: str, names: tuple[str, ...]) -> ReadingPage:
    import aiohttp  # noqa: PLC0415 - it takes a while to load

    from passerelle.wire import descriptor, invite  # noqa: PLC0415

    given = invite.parse(text)
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
        document = await fetch(http, f"{given.url}/v1/network", limits.DESCRIPTOR_BYTES, away=AWAY)
    network = descriptor.verify(document, given.operator_key, now_s=time.time())
    served = next((entry.gateway.sites for entry in network.exits if entry.gateway), ())
    if not served:
        raise ConfigError(
            "No exit of this network serves a site. Name the publisher's site with --site when you "
            "start `passerelle serve` or `passerelle exit`, then make the page."
        )
    return ReadingPage(
        site=readingpage.origins(served, names),
        # Ways around a blocked broker are for programs.
        invite=str(given.plain),
        brokers=readingpage.asked_servers(network),
        document=document,
    )


def _write(out: Path, files: dict[str, bytes]) -> None:
    """Write the files, and remove those of an earlier page. Raises ConfigError."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file. Name a new folder, or one made before.")
    if out.exists() and any(out.iterdir()) and not (out / readingpage.WORKER).exists():
        raise ConfigError(f"{out} holds something else. Name a new folder, or one made before.")
    try:
        for path, content in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(content)
        for old in (out / readingpage.FOLDER).iterdir():
            if readingpage.FOLDER + old.name not in files:
                old.unlink()
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}.") from error


def _site_key(text: str | None) -> bytes:
    """Return the bytes of a site's key; none without one. Raises ConfigError."""
    try:
        key = base64.b64decode(text or "", validate=True)
    except ValueError:
        key = b"?"
    if text is not None and len(key) != survival.KEY_BYTES:
        raise ConfigError(f"--site-key is no key: it has {survival.KEY_BYTES} bytes in base64.")
    return key


def _write_survival(folder: Path, files: dict[str, bytes], page: ReadingPage) -> None:
    """Write the worker's files. Raises ConfigError."""
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
    print(f"\n{folder / survival.FILE} is for {page.site[0]}/{survival.FILE}.")
    print("With it there, and the attribute survive in the switch's tag, visitors' browsers keep")
    print("the reading page and open it at the site's own address when the site is blocked.")
    if not files[survival.FILE].partition(b"\n")[2].startswith(survival.SIGNED):
        print(
            "It is not signed: make it with --state and --url, and browsers take a newer one also"
        )
        print("while the site is blocked and somebody else answers in its place.")
    print(f"Put {folder / survival.WITHDRAWN} in its place to withdraw it.")


def _tell(out: Path, page: ReadingPage, files: dict[str, bytes]) -> None:
    print(f"The reading page of {page.site[0]} is in {out}.")
    print("Upload the folder to a host name of its own, so that its index.html is shown for every")
    print("path that is no file of it. Below a path of another site only reader.html can work.")
    print("\nPublish these hashes (SHA-256) where readers can compare them:")
    for name in ("index.html", readingpage.WORKER, readingpage.SINGLE_FILE):
        print(f"  {hashlib.sha256(files[name]).hexdigest()}  {name}")
    size = len(files[readingpage.SINGLE_FILE])
    print(f"\nreader.html has {size // 1024} KB and can be sent by chat or mail.", file=sys.stderr)
