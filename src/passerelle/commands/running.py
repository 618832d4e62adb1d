"""Shared parts of the commands that run until they are interrupted, or belong to servers."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final, NoReturn

from passerelle import interrupt
from passerelle.errors import LocalError
from passerelle.io.server.openfiles import raise_file_limit
from passerelle.standardstreams import outlive_readers

SERVER_PACKAGES: Final = ("maxminddb", "nats", "prometheus_client", "pyhpke")
"""What pyproject.toml has under `server`, as Python imports it. Without uvloop servers run too."""

_LOG_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def say(text: str) -> None:
    """Print a line for a person on stderr; standard output is for what programs read."""
    print(text, file=sys.stderr, flush=True)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Log to stderr, unless logging was set up before."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=level, format=_LOG_FORMAT, stream=sys.stderr)


def require_server_packages() -> None:
    """Raise LocalError where packages are missing that no reader needs."""
    missing = [name for name in SERVER_PACKAGES if find_spec(name) is None]
    if missing:
        raise LocalError(
            "This command needs what a reader's installation leaves out "
            f"({', '.join(missing)}): install 'passerelle[server]' in place of 'passerelle', "
            "as the operator's lines in README.md do."
        )


async def forever() -> NoReturn:
    """Wait until the task is cancelled."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def outlive_surroundings() -> None:
    """Prepare this process to run for long: by files it may open, and by who reads what it says.

    Call it before anything is logged.
    """
    outlive_readers()
    raise_file_limit()


def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, for which a signal is the ordinary end."""
    with suppress(interrupt.Interrupted):
        interrupt.run(work)
