"""The `passerelle` command.

Exit codes: 0 done, or ended by Ctrl-C after it had started well; 1 this machine or the network
could not do it; 2 something in the command line, a file or an invite is wrong; 130 interrupted
before the work was done.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from passerelle import __version__, interrupt
from passerelle.commands import embed
from passerelle.errors import ConfigError, PasserelleError
from passerelle.listen import Listen

if TYPE_CHECKING:
    from passerelle.client.notices import Notice
    from passerelle.core.policy import Policy

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

_LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

app = typer.Typer(
    name="passerelle",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Reach the open web through the browser of a volunteer who flipped a switch on a page.\n\n"
        "To see how it works, run **passerelle demo**. To get through a firewall, ask "
        "somebody you trust for an invite and run **passerelle client**. To run a network "
        "for others, use **passerelle serve**."
    ),
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Log everything, and show where an error came from.")
    ] = False,
) -> None:
    """Hold options of all commands. `main` looks for --debug by itself."""
    if debug:
        _log_to_stderr(logging.DEBUG)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"passerelle {__version__}")


@app.command()
def client(
    invite: Annotated[
        str,
        typer.Option(metavar="URL", help="The invite you were given, in quotes: 'https://…/#…'."),
    ],
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where your programs find the proxy. Keep 127.0.0.1: others must not use it.",
        ),
    ] = "127.0.0.1:1080",
    media: Annotated[
        bool,
        typer.Option(
            help="Let downloads come as video where a volunteer's browser can do that: faster on "
            "bad networks, and to an observer more like a video call. Without it: data only."
        ),
    ] = True,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also show each step of connecting.")
    ] = False,
) -> None:
    """Run a proxy on this computer that reaches the web through volunteers.

    Set it as SOCKS5 or HTTP proxy in your browser, both at the address of --listen. It runs until
    you press Ctrl-C.
    """
    from passerelle import console  # noqa: PLC0415 - WebRTC takes a second to load
    from passerelle.client.config import ClientConfig  # noqa: PLC0415
    from passerelle.client.notices import LinkUp  # noqa: PLC0415
    from passerelle.client.service import Client  # noqa: PLC0415
    from passerelle.wire.invite import parse  # noqa: PLC0415

    address = Listen.parse(listen)
    config = ClientConfig(
        invite=parse(invite),
        listen_host=address.host or "127.0.0.1",
        listen_port=address.port,
        media=media,
    )

    def show(notice: Notice) -> None:
        _say(console.sentence(notice))
        if verbose and isinstance(notice, LinkUp):
            for step, seconds in notice.steps:
                _say(f"    {step:<12} {1000 * seconds:6.0f} ms")

    async def work() -> None:
        running = Client(config, show)
        try:
            await running.start()
            _say(
                f"Proxy ready at {config.listen_host}:{running.port} (SOCKS5 and HTTP). "
                "Press Ctrl-C to end."
            )
            await running.run()
        finally:
            await running.close()

    _until_interrupted(work())


@app.command()
def serve(
    state: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where the network's keys are kept; made at the first start. Back it up: whoever "
            "has it is the network.",
        ),
    ],
    url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Public address of this server, for example https://bridge.example."
        ),
    ],
    name: Annotated[str, typer.Option(help="The network's name, shown to people.")] = "Passerelle",
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address and port to accept connections on.")
    ] = "127.0.0.1:8080",
    exit_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Give the exit a port of its own."),
    ] = None,
    exit_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Public address of the exit, if it is another one."),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificate chain (PEM), to serve https here. Leave it out behind a web server "
            "that does TLS.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of --tls-cert (PEM).")
    ] = None,
    stun: Annotated[
        list[str] | None,
        typer.Option(
            metavar="stun:HOST:PORT",
            help="A STUN server for browsers and clients behind NAT. May be repeated.",
        ),
    ] = None,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct",
            help="Let readers who find no volunteer, or whose network blocks UDP, come to the exit "
            "directly. Whoever has the invite can then learn and block its address.",
        ),
    ] = False,
    exit_port: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PORT",
            help="A port the exit connects to, instead of the web's usual ones. May be repeated.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="Let the exit connect to a private network, for example 127.0.0.0/8. Dangerous: "
            "everybody with the invite then reaches what is there. May be repeated.",
        ),
    ] = None,
) -> None:
    """Run a network's servers: a broker and an exit.

    Prints the invite for readers and the tag for publishers' pages. It runs until it gets SIGINT
    (Ctrl-C) or SIGTERM, and then lets volunteers and readers go in good order.
    """
    from passerelle import serve as servers  # noqa: PLC0415 - see above
    from passerelle.keyring import Keyring  # noqa: PLC0415

    if not logging.getLogger().handlers:
        _log_to_stderr(logging.INFO)
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together. Give both or neither.")
    if exit_listen and not exit_url:
        raise ConfigError(
            "With --exit-listen the exit has a port of its own: say how volunteers reach it with "
            "--exit-url, for example https://exit.bridge.example."
        )
    has_widget = servers.BUILT_WIDGET.is_dir()
    config = servers.ServeConfig(
        name=name,
        url=url,
        listen=Listen.parse(listen),
        exit_listen=Listen.parse(exit_listen) if exit_listen else None,
        exit_url=exit_url,
        tls=servers.tls_context(tls_cert, tls_key) if tls_cert and tls_key else None,
        policy=_policy(allow or [], exit_port or []),
        stun=tuple(stun or ()),
        direct=direct,
        widget_dir=servers.BUILT_WIDGET if has_widget else None,
    )

    async def work() -> None:
        async with servers.Servers(config, Keyring.open(state)) as running:
            print(f"Invite for readers:\n\n    {running.invite}\n")
            if running.tag is None:
                print(
                    "The widget is not built, so pages cannot use this server; run `make widget`."
                )
            else:
                print("Tag for publishers' pages:\n")
                print("\n".join(f"    {line}" for line in running.tag.splitlines()), flush=True)
            if not servers.is_reachable_by_browsers(running.invite.url):
                _say(
                    "Note: browsers let pages use https:// servers only. Put a certificate in "
                    "front of this one before you give the tag away."
                )
            await forever()

    _until_interrupted(work())


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Fetch the page, report, and end.")] = False,
    headless: Annotated[
        bool,
        typer.Option("--headless", help="Show no window; the switch is flipped by the program."),
    ] = False,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of the publisher's page; 0 takes a free one."),
    ] = 0,
) -> None:
    """Show the whole path on this computer: servers, a page with the switch, a blocked site.

    With a screen, the page opens in a browser and you flip the switch; without one, a browser
    without a window does it by itself. Nothing leaves this computer.
    """
    from passerelle.demo.run import Demo, Settings  # noqa: PLC0415 - see above

    demonstration = Demo(Settings(once=once, headless=headless, port=port))
    try:
        interrupt.run(demonstration.run())
    except interrupt.Interrupted:
        if once or not demonstration.arrived:
            raise


embed.register(app)


async def forever() -> NoReturn:
    """Wait until cancelled."""
    import asyncio  # noqa: PLC0415 - `passerelle version` does without

    await asyncio.get_running_loop().create_future()
    raise AssertionError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code.

    Errors made on purpose are one sentence on stderr; a traceback is shown with --debug only.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(words, debug="--debug" in words))


def _run(words: list[str], *, debug: bool) -> int:
    try:
        app(words, standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except (interrupt.Interrupted, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _report(error)
    return OK


def _report(error: Exception) -> int:
    known = list(_expected(error))
    for each in known:
        _say(f"passerelle: {each}")
    if not known:
        _say(
            f"passerelle: something went wrong inside ({type(error).__name__}). Run it again with "
            "`passerelle --debug …` to see where, and report that."
        )
    return BAD_INPUT if any(isinstance(each, ConfigError) for each in known) else FAILED


def _expected(error: BaseException) -> Iterator[PasserelleError]:
    """Yield the errors raised on purpose that `error` is, or holds as a group."""
    if isinstance(error, PasserelleError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _expected(inner)


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run what a signal is the ordinary end of."""
    with suppress(interrupt.Interrupted):
        interrupt.run(work)


def _policy(allow: Sequence[str], ports: Sequence[int]) -> Policy:
    from passerelle.core.policy import WEB_PORTS, Policy  # noqa: PLC0415 - see above

    try:
        networks = tuple(ipaddress.ip_network(text) for text in allow)
    except ValueError as error:
        raise ConfigError(
            f"--allow wants a network such as 10.1.0.0/16 or fd00::/8: {error}."
        ) from error
    if bad := [port for port in ports if not 0 < port < 65536]:
        raise ConfigError(f"--exit-port wants a port from 1 to 65535, not {bad[0]}.")
    return Policy(allow=networks, ports=frozenset(ports) or WEB_PORTS)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _log_to_stderr(level: int) -> None:
    logging.basicConfig(level=level, format=_LOG_FORMAT, stream=sys.stderr)
