"""Shared parts of the commands that run until they are interrupted."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, NoReturn

from passerelle import interrupt

_LOG_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def say(text: str) -> None:
    """Print a line for a person on stderr; standard output is for what programs read."""
    print(text, file=sys.stderr, flush=True)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Log to stderr, unless logging was set up before."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=level, format=_LOG_FORMAT, stream=sys.stderr)


async def forever() -> NoReturn:
    """Wait until the task is cancelled."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, for which a signal is the ordinary end."""
    with suppress(interrupt.Interrupted):
        interrupt.run(work)
