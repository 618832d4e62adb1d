"""A client's session whose links join an exit in this process, over pipes in memory."""

from __future__ import annotations

import asyncio

from passerelle.client.handshake import ClientHandshake
from passerelle.client.session import ClientSession
from passerelle.errors import LinkCode, LinkLost
from passerelle.exit.handshake import ExitHandshake
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.link import LinkHandler, SecureLink
from passerelle.io.tunnel.tls import TlsPipe, client_context, exit_context
from passerelle.wire.control import Control
from passerelle.wire.tickets import TicketKind
from tests.io.tunnel.pipes import PipeEnd, pipe
from tests.network import KEYS, ticket

CONTEXT = exit_context(KEYS.exit_link)
PINS = (KEYS.exit_link.spki_sha256,)


class Owner:
    """Owns a session and writes down what happens to it."""

    def __init__(self) -> None:
        self.linked = 0
        self.exit_leaves = 0
        self.down: list[LinkLost] = []
        self.ended: asyncio.Future[LinkCode] = asyncio.get_running_loop().create_future()

    def session_linked(self, session: ClientSession) -> None:
        self.linked += 1

    def session_leaving(self, session: ClientSession) -> None:
        self.exit_leaves += 1

    def session_ended(self, session: ClientSession, reason: LinkCode) -> None:
        self.ended.set_result(reason)

    def link_down(self, number: int, error: LinkLost) -> None:
        self.down.append(error)

    def link_leaving(self, number: int) -> None:
        raise AssertionError("no relay is here to leave")

    def link_control(self, number: int, message: Control) -> None:
        raise AssertionError("no relay is here to speak")


class Client:
    """A session, joined to an exit by the client's own code."""

    def __init__(self, table: SessionTable, *, tags: bytes = b"") -> None:
        """`tags` are those in the client's tickets: whom it counts for at the exit."""
        self.table = table
        self._tags = tags
        self.owner = Owner()
        self.session = ClientSession(self.owner, grace_s=60)
        self.tunnel = self.session.tunnel
        self._number = 0

    async def join(
        self, *, timeout_s: float = 5, serve: bool = True, exit_handler: LinkHandler | None = None
    ) -> PipeEnd:
        """Make one more link; without `serve`, nobody is at its other end."""
        near, far = pipe()
        self._number += 1
        if serve:
            handler = exit_handler or ExitHandshake(self.table, lambda: None)
            SecureLink(self._number, far, TlsPipe(CONTEXT), handler).start()
        handshake = ClientHandshake(self.session, ticket(TicketKind.CLIENT, tags=self._tags))
        await handshake.run(self._number, near, client_context(), PINS, timeout_s)
        assert [name for name, _ in handshake.steps] == ["tls", "welcome"]
        return near
