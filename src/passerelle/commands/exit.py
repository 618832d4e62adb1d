"""`passerelle exit`: exits without a broker, one process each."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from passerelle import interrupt
from passerelle.commands.exit_options import ExitOptions, takes_exit_options
from passerelle.commands.running import (
    forever,
    log_to_stderr,
    outlive_surroundings,
    require_server_packages,
    say,
)
from passerelle.errors import ConfigError
from passerelle.listen import LAST_PORT, ListenAddress

if TYPE_CHECKING:
    from passerelle.exit.process import ListenSettings
    from passerelle.exit.settings import ExitSettings


NO_WORKERS: Final = (
    "SIGUSR2 restarts workers one by one, and this server has no workers: nothing was done. "
    "Restart it with SIGTERM and a new start, or give it --workers."
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("exit")(command)


@takes_exit_options
def command(
    state: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="The network's keys. On another machine than the broker's, a folder with "
            "exit-link.pem and broker-ticket.pub is enough.",
        ),
    ],
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Address and port of exit-1; exit-2 has the next port."
        ),
    ] = "127.0.0.1:8081",
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="How many exits to run, each as a process of its own."),
    ] = 1,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
    *,
    exits: ExitOptions,
) -> None:
    """Run exits, without a broker.

    The exits are called exit-1, exit-2 and so on. Readers find them only if the network's
    descriptor names their addresses; `passerelle serve --workers N` runs exits and describes them
    in one step. SIGTERM lets open connections finish, SIGUSR2 restarts one exit after the other.
    """
    require_server_packages()
    outlive_surroundings()
    log_to_stderr()
    settings = exits.settings()
    if worker is None and workers > 1:
        work = _supervise(worker_line(state, listen, exits), workers, settings, exits)
    else:
        number = worker or 1
        where = _listen_settings(number, listen, exits)
        work = _serve(number, state, settings, where, exits, is_worker=worker is not None)
    with suppress(interrupt.Interrupted):
        interrupt.run(work)


def worker_line(state: Path, listen: str, exits: ExitOptions) -> Callable[[int], list[str]]:
    """Return a function that gives a worker's command line by the worker's number.

    The worker also needs the environment variables of `exits`. It logs as much as this process.
    """
    debug = ["--debug"] if logging.getLogger().isEnabledFor(logging.DEBUG) else []
    words = ["exit", "--state", str(state), "--listen", listen, *exits.words()]
    line = [sys.executable, "-m", "passerelle", *debug, *words]
    return lambda number: [*line, "--worker", str(number)]


def shifted(address: ListenAddress, number: int) -> ListenAddress:
    """Return where worker `number` listens. Raises ConfigError beyond the last port."""
    port = address.port + number - 1
    if port > LAST_PORT:
        raise ConfigError(f"Worker {number} would have port {port}. Begin at a lower one.")
    return ListenAddress(address.host, port)


def _listen_settings(number: int, listen: str, exits: ExitOptions) -> ListenSettings:
    from passerelle.exit.process import ListenSettings  # noqa: PLC0415 - --help does not need it

    address = shifted(ListenAddress.parse(listen), number)
    metrics = exits.metrics_listen
    shown = shifted(ListenAddress.parse(metrics), number) if metrics else None
    return ListenSettings(
        address.host,
        address.port,
        tls=exits.tls(),
        metrics=None if shown is None else (shown.host, shown.port),
        trusted_proxies=exits.trusted_proxies(),
    )


async def _serve(
    number: int,
    state: Path,
    settings: ExitSettings,
    where: ListenSettings,
    exits: ExitOptions,
    *,
    is_worker: bool,
) -> None:
    from passerelle.exit.process import ExitProcess  # noqa: PLC0415 - --help does not need it
    from passerelle.gatewayfile import GATEWAY_FILE, GatewayFile  # noqa: PLC0415 - as above
    from passerelle.io.server.processes import (  # noqa: PLC0415 - as above
        FINISH_SIGNAL,
        FINISHED,
        READY,
        orphaned,
    )
    from passerelle.io.tasks import TaskSet  # noqa: PLC0415 - as above
    from passerelle.keyring import ExitKeys  # noqa: PLC0415 - as above

    keys = ExitKeys.open(state)
    has_gateway = settings.policy.sites is not None and (state / GATEWAY_FILE).exists()
    config = settings.config(
        f"exit-{number}",
        keys.link,
        keys.tickets,
        direct=exits.direct,
        trusted_proxies=where.trusted_proxies,
        gateway_seed=GatewayFile(state, create=False).seed if has_gateway else None,
    )
    if settings.policy.sites and not has_gateway:
        say(
            f"Note: {state / GATEWAY_FILE} is missing, so this exit answers no reading pages. Copy "
            "it from the machine of `passerelle serve`, and start again."
        )
    loop = asyncio.get_running_loop()
    async with TaskSet("worker") as tasks, ExitProcess(config, where, bus_url=exits.bus) as process:

        async def finish() -> None:
            await process.finish()
            print(FINISHED, flush=True)

        if is_worker:
            loop.add_signal_handler(FINISH_SIGNAL, lambda: tasks.spawn(finish(), "finish"))
            print(READY, flush=True)
            await orphaned()
        else:
            loop.add_signal_handler(signal.SIGUSR2, say, NO_WORKERS)
            print(f"exit-{number} serves on port {where.port}.", flush=True)
            await forever()


async def _supervise(
    line: Callable[[int], list[str]], count: int, settings: ExitSettings, exits: ExitOptions
) -> None:
    """Run workers, and restart them one by one at SIGUSR2."""
    from passerelle.io.server.processes import WORKER_SLACK_S, Workers  # noqa: PLC0415 - as above

    grace_s = settings.lifetimes.drain_s + WORKER_SLACK_S
    environment = exits.environment()
    async with Workers(line, count, grace_s=grace_s, environment=environment) as workers:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, workers.restart_soon)
        try:
            print(f"{count} exits serve. SIGUSR2 restarts them one by one.", flush=True)
            await forever()
        finally:
            loop.remove_signal_handler(signal.SIGUSR2)
