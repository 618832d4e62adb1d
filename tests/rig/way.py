"""The whole path between an application and a site, each part a process of its own.

Broker and exit are two `passerelle serve` with the same keys. The descriptor of the first names the
exit of the second, so each of them can be ended while the other runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.async_api import Page

from tests.rig.ports import free_port
from tests.rig.program import Program, client, invite_of, serve
from tests.rig.publisher import Publisher
from tests.rig.volunteer import Chromium, flip

HOST = "127.0.0.1"


class Way:
    """Servers and a publisher's page during an `async with`.

    `volunteer` and `client` add volunteers and clients.
    """

    def __init__(
        self, folder: Path, chromium: Chromium | None, *policy: str, ways: Sequence[str] = ()
    ) -> None:
        """`folder` gets the keys; `policy` are options of the exit, `ways` options of the broker.

        Without `chromium` the caller brings its own volunteers.
        """
        self._ways = tuple(ways)
        self._state = folder / "network"
        self._chromium = chromium
        self._policy = policy
        self._ports = {name: free_port() for name in ("broker", "exit", "spare")}
        self._stack = AsyncExitStack()
        self.broker: Program
        self.exit: Program
        self.publisher: Publisher
        self.invite = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.broker = await stack.enter_async_context(self._broker())
            # Both start at once: the one that comes first makes the keys, and the other finds them.
            self.exit = await stack.enter_async_context(self._exit())
            self.invite = await invite_of(self.broker)
            await invite_of(self.exit)
            self.publisher = await stack.enter_async_context(Publisher(self.invite))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def restart_broker(self) -> None:
        """Start the broker again at its address, after it has ended."""
        self.broker = await self._stack.enter_async_context(self._broker())
        await invite_of(self.broker)

    async def restart_exit(self) -> None:
        """Start the exit again at its address, after it has ended."""
        self.exit = await self._stack.enter_async_context(self._exit())
        await invite_of(self.exit)

    @property
    def base(self) -> str:
        """The URL of the broker."""
        return f"http://{HOST}:{self._ports['broker']}"

    @property
    def ports(self) -> tuple[int, int]:
        """The ports at which broker and exit listen."""
        return self._ports["broker"], self._ports["exit"]

    @asynccontextmanager
    async def volunteer(self) -> AsyncIterator[Page]:
        """Open the publisher's page and flip the switch; close the page in the end."""
        assert self._chromium is not None
        page = await self._chromium.open(self.publisher.url)
        try:
            await flip(page)
            yield page
        finally:
            await page.context.close()

    @asynccontextmanager
    async def client(self, *options: str) -> AsyncIterator[tuple[Program, int]]:
        """Run a client; yield it and its local port as soon as that port is open."""
        port = free_port()
        async with client(self.invite, port, "-v", *options) as program:
            await program.expect("Proxy open")
            yield program, port

    def _broker(self) -> Program:
        return serve(
            self._state,
            HOST,
            self._ports["broker"],
            *("--exit-listen", f"{HOST}:{self._ports['spare']}"),
            *("--exit-url", f"http://{HOST}:{self._ports['exit']}"),
            *self._ways,
        )

    def _exit(self) -> Program:
        return serve(self._state, HOST, self._ports["exit"], *self._policy)
