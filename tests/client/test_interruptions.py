"""A client whose computer sleeps, or gets another address: the real program, and the real curl."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from passerelle.client.interruptions import POLL_S
from passerelle.exit.config import Lifetimes
from tests.client.test_service import curl
from tests.network import HOST, KEYS, Network, network
from tests.rig.ports import free_port
from tests.rig.program import Program, client
from tests.rig.site import PAGE, Site
from tests.volunteer import Volunteer

SOON_S = 3.0
"""The longest time from the end of a sleep to a page."""


class Sleeper:
    """A client as a program, with one volunteer, whose exit forgets a session in no time."""

    def __init__(self, net: Network, program: Program, volunteer: Volunteer, port: int) -> None:
        self.net = net
        self.program = program
        self.volunteer = volunteer
        self._port = port

    async def page(self, url: str) -> float:
        """Fetch a page, and return the seconds that it took; refusals are no answer."""
        began_s = time.monotonic()
        proxy = "--socks5-hostname", f"{HOST}:{self._port}"
        assert await curl("--fail", *proxy, url) == (0, PAGE.encode())
        return time.monotonic() - began_s

    def sleep(self) -> None:
        os.kill(self.program.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.program.pid, signal.SIGCONT)


@asynccontextmanager
async def sleeper() -> AsyncIterator[Sleeper]:
    port = free_port()
    async with network(lifetimes=Lifetimes(grace_s=0.05)) as net:
        volunteer = await net.volunteer()
        async with client(str(KEYS.invite(net.url)), port) as program:
            await program.expect("Connected")
            try:
                yield Sleeper(net, program, volunteer, port)
            finally:
                os.kill(program.pid, signal.SIGCONT)


async def forgotten(net: Network) -> None:
    """Wait until the exit has no session left. Nothing announces it."""
    async with asyncio.timeout(40):
        while len(net.exit._sessions):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.timeout(90)
async def test_after_a_sleep_the_first_page_comes_at_once() -> None:
    """The exit gives the links up while the client stands still, and then forgets the session."""
    async with sleeper() as slept, Site() as site:
        url = f"http://{HOST}:{site.port}/"
        await slept.page(url)
        slept.sleep()
        await forgotten(slept.net)
        slept.wake()
        assert await slept.page(url) < SOON_S


async def test_a_session_that_the_exit_forgot_costs_no_long_pause() -> None:
    """The volunteer goes while the client stands still for a moment only, and another one comes.

    Nothing tells the client of a sleep: it learns from the exit that its session is unknown.
    """
    async with sleeper() as slept, Site() as site:
        url = f"http://{HOST}:{site.port}/"
        await slept.page(url)
        slept.sleep()
        await slept.volunteer.__aexit__(None, None, None)
        await forgotten(slept.net)
        await slept.net.volunteer()
        slept.wake()
        assert await slept.page(url) < SOON_S


async def test_standing_still_is_noticed() -> None:
    """A process that was stopped finds that more time has passed than it waited for."""
    code = (
        "import asyncio\n"
        "from passerelle.client.interruptions import Interruptions\n"
        "async def main():\n"
        "    noticed = asyncio.Event()\n"
        "    watching = asyncio.create_task(Interruptions(noticed.set, slept_s=0.5).watch())\n"
        "    await asyncio.sleep(0)\n"
        "    print('watching', flush=True)\n"
        "    await noticed.wait()\n"
        "    print('slept', flush=True)\n"
        "asyncio.run(main())\n"
    )
    async with Program(sys.executable, "-c", code) as program:
        await program.expect("watching")
        os.kill(program.pid, signal.SIGSTOP)
        await asyncio.to_thread(subprocess.run, ["sleep", str(POLL_S + 1)], check=True)
        os.kill(program.pid, signal.SIGCONT)
        await program.expect("slept", timeout_s=POLL_S + 5)
