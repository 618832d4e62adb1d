"""`passerelle client`: the reader's proxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from passerelle import interrupt
from passerelle.commands import localport, secrets
from passerelle.commands.running import outlive_surroundings, say
from passerelle.errors import ConfigError, LocalError

if TYPE_CHECKING:
    from passerelle.client.notices import Notice
    from passerelle.io.webrtc.engine import Engine


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(client)


def client(
    invite_file: secrets.InviteFile = None,
    invite: secrets.Invite = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Address and port of the proxy for your programs. Keep 127.0.0.1: others must not "
            "use it. No web page can reach the usual port.",
        ),
    ] = localport.DEFAULT,
    login_file: secrets.LoginFile = None,
    token_file: secrets.TokenFile = None,
    token: secrets.Token = "",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that remembers which way to the network works, and the network's signed "
            "description. It holds nothing about you or what you visit.",
            show_default="client.json in the folder passerelle of $XDG_STATE_HOME, "
            "usually ~/.local/state",
        ),
    ] = None,
    media: Annotated[
        bool,
        typer.Option(
            help="Let downloads come as video where a volunteer's browser can do that. It is "
            "faster on bad networks, and an observer takes it for a video call more easily."
        ),
    ] = True,
    engine: Annotated[
        Literal["auto", "chrome", "python"],
        typer.Option(
            help="What makes the connections to volunteers: Chrome's own WebRTC, which looks like "
            "a browser to whoever watches, or Passerelle's in Python. auto takes Chrome's where it "
            "is installed."
        ),
    ] = "python",
    profile: Annotated[
        Literal["fast", "call"],
        typer.Option(
            help="How connections to volunteers look. fast: as fast as the way bears. call: like "
            "video calls in length, rate and rhythm, for whoever is watched closely. A call needs "
            "--engine chrome, brings 0.4 to 2 Mbit/s through each volunteer, and goes on while "
            "you read: it costs you and each volunteer about 1.2 GB an hour."
        ),
    ] = "fast",
    forget: Annotated[
        bool, typer.Option("--forget", help="Neither read nor write the file of --state.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show each step of connecting, too.")
    ] = False,
) -> None:
    """Run a proxy on this computer that reaches the web through volunteers.

    Set it as SOCKS5 or HTTP proxy in your browser; both are at the address of --listen. Where no
    volunteer is reached, it goes through a web server that the network names as its door, until
    one is. It runs until you press Ctrl-C.
    """
    from passerelle import console  # noqa: PLC0415 - WebRTC takes a second to load
    from passerelle.client.config import ClientConfig  # noqa: PLC0415
    from passerelle.client.notices import LinkUp  # noqa: PLC0415
    from passerelle.client.service import Client  # noqa: PLC0415
    from passerelle.client.state import default_path  # noqa: PLC0415
    from passerelle.wire.invite import parse  # noqa: PLC0415
    from passerelle.wire.pasted import clean  # noqa: PLC0415

    outlive_surroundings()
    if profile == "call":
        _check_call(engine, media=media)
    address, login = localport.local_port(listen, login_file)
    config = ClientConfig(
        invite=parse(secrets.invite_text(invite, invite_file)),
        listen_host=address.host,
        listen_port=address.port,
        login=login,
        token=clean(secrets.secret(token, token_file, "token")),
        media=media,
        engine=_engine(engine, call=profile == "call"),
        call=profile == "call",
        state=None if forget else state or default_path(),
    )

    running: Client | None = None
    news = console.News()

    def show(notice: Notice) -> None:
        links = running.link_count if running is not None else 0
        if news.holds(notice, link_count=links) or verbose:
            say(console.sentence(notice))
        if verbose and isinstance(notice, LinkUp):
            for step, seconds in notice.steps:
                say(f"    {step:<12} {1000 * seconds:6.0f} ms")

    async def work() -> None:
        nonlocal running
        running = Client(config, show)
        try:
            try:
                await running.start()
            except LocalError as error:
                raise LocalError(
                    f"{error} --listen names another one, for example --listen 127.0.0.1:10081. "
                    "Only the usual one is out of reach for web pages."
                ) from error
            await running.run()
        finally:
            await running.close()

    try:
        interrupt.run(work())
    except interrupt.Interrupted:
        say("The proxy is closed. Goodbye.")


def _check_call(engine: str, *, media: bool) -> None:
    """Raise ConfigError where the other options make calls impossible."""
    if engine == "python":
        raise ConfigError(
            "--profile call needs Chrome's WebRTC, because Passerelle's own makes no calls. Add "
            "--engine chrome."
        )
    if not media:
        raise ConfigError(
            "--profile call and --no-media exclude each other: a call has video. Leave one out."
        )


def _engine(name: Literal["auto", "chrome", "python"], *, call: bool) -> Engine:
    """Return what makes links. Raises LocalError where Chrome's was demanded and is missing."""
    from passerelle.io.webrtc.chrome.library import NoEngine  # noqa: PLC0415
    from passerelle.io.webrtc.engine import choose  # noqa: PLC0415

    try:
        made, reason = choose(name, call=call)
    except NoEngine as error:
        left_out = "--engine and --profile" if call else "--engine"
        raise LocalError(
            f"Chrome's WebRTC cannot be used: {error}. Install passerelle[chrome], or leave "
            f"{left_out} out."
        ) from error
    if reason:
        say(
            f"Chrome's WebRTC cannot be used: {reason}. Passerelle's own is used, and who watches "
            "your connection can tell it from a browser. passerelle[chrome] brings Chrome's."
        )
    return made
