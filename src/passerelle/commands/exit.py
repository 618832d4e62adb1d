"""`passerelle exit`: exits without a broker, one process each."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle import interrupt
from passerelle.commands.running import forever, log_to_stderr
from passerelle.errors import ConfigError
from passerelle.listen import Listen

if TYPE_CHECKING:
    from passerelle.exit.process import ListenAddresses
    from passerelle.exit.settings import ExitSettings
    from passerelle.io.server.processes import Workers

_STATE_HELP = (
    "The network's keys. On another machine than the broker's, a folder with exit-link.pem and "
    "broker-ticket.pub is enough."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exit")(command)


def command(
    state: Annotated[Path, typer.Option(metavar="FOLDER", help=_STATE_HELP)],
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Address and port of exit-1; exit-2 has the next port."
        ),
    ] = "127.0.0.1:8081",
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="How many exits: exit-1, exit-2 … one process each."),
    ] = 1,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings (TOML): docs/OPERATIONS.md lists all."),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Serve only this site, for example news.example or '*.news.example'. May be "
            "repeated.",
        ),
    ] = None,
    exit_port: Annotated[
        list[int] | None,
        typer.Option(metavar="PORT", help="A port to connect to, instead of the web's usual ones."),
    ] = None,
    exit_udp_port: Annotated[
        list[int] | None,
        typer.Option(metavar="PORT", help="The same for UDP, instead of 53 and 443."),
    ] = None,
    no_udp: Annotated[bool, typer.Option("--no-udp", help="Carry TCP only.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="Open a private network. Dangerous: every reader reaches it."
        ),
    ] = None,
    face: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A static site for everybody without a ticket."),
    ] = None,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics on this loopback address; exit-2 has the next port.",
        ),
    ] = None,
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Let readers come without a volunteer; say so in `serve`."),
    ] = False,
    bus: Annotated[
        str | None,
        typer.Option(
            metavar="nats://HOST:PORT",
            help="NATS server where brokers hear of this exit's load and of its links.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain (PEM), to serve https.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of --tls-cert (PEM).")
    ] = None,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run exits, without a broker.

    Their addresses belong into the network's descriptor: `passerelle serve --workers N` runs them
    and describes them in one go. SIGTERM lets open connections finish; SIGUSR2 restarts one exit
    after the other.
    """
    from passerelle.exit.settings import ExitSettings  # noqa: PLC0415 - loads what --help does not need

    log_to_stderr()
    settings = (ExitSettings.load(config) if config else ExitSettings()).with_flags(
        allow=allow or (),
        ports=exit_port or (),
        udp_ports=() if no_udp else exit_udp_port,
        sites=site,
        face=face,
    )
    number = worker or 1
    if worker is None and workers > 1:
        words = sys.argv[1:]
        work = _supervise(lambda each: worker_command(words, each), workers, settings)
    else:
        place = _place(number, listen, metrics_listen, tls_cert, tls_key)
        work = _serve(
            number, state, settings, place, direct=direct, child=worker is not None, bus=bus
        )
    with suppress(interrupt.Interrupted):
        interrupt.run(work)


def worker_command(words: Sequence[str], number: int) -> list[str]:
    """Return the command line of one worker of `passerelle WORDS`."""
    return [sys.executable, "-m", "passerelle", *words, "--worker", str(number)]


def shifted(address: Listen, number: int) -> Listen:
    """Return where worker `number` listens. Raises ConfigError beyond the last port."""
    port = address.port + number - 1
    if port > 65535:
        raise ConfigError(f"Worker {number} would have port {port}. Begin at a lower one.")
    return Listen(address.host, port)


def _place(
    number: int,
    listen: str,
    metrics: str | None,
    certificate: Path | None,
    key: Path | None,
) -> ListenAddresses:
    from passerelle.exit.process import ListenAddresses  # noqa: PLC0415 - see above
    from passerelle.io.server.web import tls_context  # noqa: PLC0415 - see above

    if (certificate is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key belong together. Give both or neither.")
    address = shifted(Listen.parse(listen), number)
    at = shifted(Listen.parse(metrics), number) if metrics else None
    return ListenAddresses(
        address.host,
        address.port,
        tls_context(certificate, key) if certificate and key else None,
        None if at is None else (at.host, at.port),
    )


async def _serve(
    number: int,
    state: Path,
    settings: ExitSettings,
    place: ListenAddresses,
    *,
    direct: bool,
    child: bool,
    bus: str | None,
) -> None:
    from passerelle.exit.process import ExitProcess  # noqa: PLC0415 - see above
    from passerelle.io.server.processes import READY, orphaned  # noqa: PLC0415 - see above
    from passerelle.keyring import ExitKeys  # noqa: PLC0415 - see above

    keys = ExitKeys.open(state)
    config = settings.config(f"exit-{number}", keys.link, keys.tickets, direct=direct)
    async with ExitProcess(config, place, bus_url=bus):
        print(READY if child else f"exit-{number} serves on port {place.port}.", flush=True)
        if child:
            await orphaned()
        else:
            await forever()


async def _supervise(line: Callable[[int], list[str]], count: int, settings: ExitSettings) -> None:
    async with supervised(line, count, settings):
        print(f"{count} exits serve. SIGUSR2 restarts them one by one.", flush=True)
        await forever()


@asynccontextmanager
async def supervised(
    line: Callable[[int], list[str]], count: int, settings: ExitSettings
) -> AsyncIterator[Workers]:
    """Run workers, and restart them one by one at SIGUSR2."""
    from passerelle.io.server.processes import WORKER_SLACK_S, Workers  # noqa: PLC0415 - see above

    loop = asyncio.get_running_loop()
    grace_s = settings.lifetimes.drain_s + WORKER_SLACK_S
    async with Workers(line, count, grace_s=grace_s) as workers:
        loop.add_signal_handler(signal.SIGUSR2, workers.restart_soon)
        try:
            yield workers
        finally:
            loop.remove_signal_handler(signal.SIGUSR2)
