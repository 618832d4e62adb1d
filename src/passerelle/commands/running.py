"""What commands that run until they are interrupted have in common."""

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
    """Tell a person something; standard output is for what programs read."""
    print(text, file=sys.stderr, flush=True)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Show what a program says about itself, unless somebody has set that up already."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=level, format=_LOG_FORMAT, stream=sys.stderr)


async def forever() -> NoReturn:
    """Wait until cancelled."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run what a signal is the ordinary end of."""
    with suppress(interrupt.Interrupted):
        interrupt.run(work)
