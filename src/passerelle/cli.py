"""The `passerelle` command.

Exit codes: 0 if it is done, or was ended by Ctrl-C after it had started well; 1 if this machine or
the network could not do it; 2 if something in the command line, a file or an invite is wrong; 130
if it was interrupted before the work was done.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NoReturn

import typer

from passerelle import __version__, interrupt
from passerelle.commands import client, embed, friend, newsroom, page, serve, stun, token, volunteer
from passerelle.commands import exit as exit_
from passerelle.commands.running import log_to_stderr, require_server_packages, say
from passerelle.errors import ConfigError, PasserelleError

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

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


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"passerelle {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Log everything, and show where an error came from.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Take the options of all commands. `main` looks for --debug a second time, for errors."""
    if debug:
        log_to_stderr(logging.DEBUG)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"passerelle {__version__}")


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Fetch the page, print the result, and end.")
    ] = False,
    headless: Annotated[
        bool,
        typer.Option("--headless", help="Show no window; the program flips the switch."),
    ] = False,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of the publisher's page; with 0, any free one."),
    ] = 0,
    reader: Annotated[
        bool,
        typer.Option(
            "--reader",
            help="Show a reader with nothing installed: another browser reads a blocked paper.",
        ),
    ] = False,
) -> None:
    """Show the whole path on this computer: servers, a page with the switch, a blocked site.

    With a screen, the page opens in a browser and you flip the switch; without one, a browser
    without a window does it by itself. Nothing leaves this computer.
    """
    require_server_packages()
    from passerelle.demo.reading import ReadingDemo  # noqa: PLC0415 - WebRTC takes a second to load
    from passerelle.demo.run import Demo, DemoSettings  # noqa: PLC0415

    settings = DemoSettings(once=once, headless=headless, port=port)
    demonstration = ReadingDemo(settings) if reader else Demo(settings)
    try:
        interrupt.run(demonstration.run())
    except interrupt.Interrupted:
        if once or not demonstration.arrived:
            raise


for command in (client, volunteer, serve, exit_, friend, embed, page, stun, token, newsroom):
    command.register(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code.

    A `PasserelleError` becomes one sentence on stderr; a traceback is shown with --debug only.
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
        say(f"passerelle: {each}")
    if not known:
        say(
            f"passerelle: something went wrong inside ({type(error).__name__}). Run it again with "
            "`passerelle --debug …` to see where, and report that."
        )
    return BAD_INPUT if any(isinstance(each, ConfigError) for each in known) else FAILED


def _expected(error: BaseException) -> Iterator[PasserelleError]:
    """Yield `error` if it is a `PasserelleError`, or those in it if it is a group."""
    if isinstance(error, PasserelleError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _expected(inner)
