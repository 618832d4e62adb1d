"""A real NATS server at a free port."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from nats.aio.client import Client

from passerelle.io.server.bus import Bus, connect
from tests.rig.ports import free_port

HOST = "127.0.0.1"
USER = "passerelle"
START_S = 10.0


class NatsServer:
    """One `nats-server` process; it may be stopped and started again on the same port.

    With a password it takes nobody without one. With a configuration file it takes whom that names,
    and the address in the file gives way to one of this machine.
    """

    def __init__(self, password: str = "", config: Path | None = None) -> None:
        self._port = free_port(HOST)
        self._password = password
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_of(USER, self._password) if self._password else f"nats://{self._at}"

    def url_of(self, user: str, password: str) -> str:
        """The address with which somebody logs in."""
        return f"nats://{user}:{password}@{self._at}"

    @property
    def _at(self) -> str:
        return f"{HOST}:{self._port}"

    def start(self) -> None:
        program = shutil.which("nats-server", path="/usr/local/bin:/usr/sbin:/usr/bin")
        assert program is not None, "nats-server is missing: run `make setup-test`"
        options = ["--user", USER, "--pass", self._password] if self._password else []
        if self._config is not None:
            options = ["--config", str(self._config)]
        self._process = subprocess.Popen(
            [program, "--addr", HOST, "--port", str(self._port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path("/"),
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self._port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("nats-server does not listen")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=10)
            self._process = None


@contextmanager
def nats_server(password: str = "", config: Path | None = None) -> Iterator[NatsServer]:
    """A running server, ended at the end."""
    server = NatsServer(password, config)
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def settled(client: Client) -> None:
    """Wait until the server has done what a client said, and what it passed on is heard.

    The library's PING goes before what waits to be written, so the first one only says that this
    has been written.
    """
    for _ in range(2):
        await client.flush()
    while any(each.pending_msgs for each in client._subs.values()):  # noqa: ASYNC110
        await asyncio.sleep(0)


@asynccontextmanager
async def bus_ends(url: str | None, count: int) -> AsyncIterator[list[Bus]]:
    """Ends of the bus at a NATS server's `url`; without one, of a bus in this process."""
    async with AsyncExitStack() as stack:
        ends = [await connect(url, name="test") for _ in range(1 if url is None else count)]
        for end in ends:
            stack.push_async_callback(end.close)
        yield ends * count if url is None else ends
