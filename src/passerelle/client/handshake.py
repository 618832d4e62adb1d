"""Makes a link of an open transport: TLS with the exit, HELLO, and the exit's WELCOME."""

from __future__ import annotations

import asyncio
import ssl
import time

from passerelle.client.session import ClientSession
from passerelle.errors import LinkCode, LinkLost, LinkRefused, PeerError
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe
from passerelle.io.tunnel.transport import Transport
from passerelle.wire.control import Control
from passerelle.wire.frames import VERSION, Frame, Hello, Refused, Welcome


class ClientHandshake:
    """Handles a link until the exit's WELCOME; from then on the session's tunnel does.

    Data may follow HELLO without waiting for WELCOME, so a new link costs no round trip more.
    """

    def __init__(self, session: ClientSession, ticket: str) -> None:
        self._session = session
        self._ticket = ticket
        self._welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.steps: list[tuple[str, float]] = []
        """(name, seconds) of each step done so far: TLS, and from HELLO to WELCOME."""
        self._step_began_s = time.monotonic()
        self._hello_unanswered = False
        """Whether HELLO is on its way and the exit has not answered."""

    async def run(
        self,
        number: int,
        transport: Transport,
        context: ssl.SSLContext,
        pins: tuple[bytes, ...],
        timeout_s: float,
    ) -> SecureLink:
        """Secure the link, join the session, and return it once the exit has welcomed it.

        Returns within `timeout_s`. Raises LinkLost, or LinkRefused when the exit does not want the
        link. Cancelling closes the link.
        """
        link = SecureLink(number, transport, TlsPipe(context, pins), self)
        try:
            async with asyncio.timeout(timeout_s):
                link.start()
                await self._welcomed
            if link.closed:
                raise LinkLost(LinkCode.TRANSPORT, "the link ended as soon as it was made")
        except TimeoutError:
            self._give_up(link, LinkCode.TIMEOUT)
            raise LinkLost(LinkCode.TIMEOUT, "the exit did not answer") from None
        except BaseException:
            self._give_up(link, LinkCode.NORMAL)
            raise
        return link

    def _give_up(self, link: SecureLink, code: LinkCode) -> None:
        link.close(code)
        self._session.unanswered |= self._hello_unanswered
        self._session.tunnel.link_lost(link, LinkLost(code, "the link was given up"))

    def link_ready(self, link: SecureLink) -> None:
        """Send HELLO, and let the session use the link at once."""
        self._step_done("tls")
        session = self._session
        if session.tunnel.ended:
            self._handshake_failed(
                LinkLost(LinkCode.UNKNOWN_SESSION, "the session ended meanwhile")
            )
            return
        received = session.tunnel.received
        link.send([Hello(session.id, not session.welcomed, received, self._ticket)])
        self._hello_unanswered = True
        session.attach(link)

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take WELCOME or REFUSED, and hand what follows to the session."""
        match frames[0]:
            case Welcome() as welcome:
                self._welcome(link, welcome)
            case Refused(code):
                self._hello_unanswered = False
                self._refused(code)
                return
            case _:
                raise PeerError(LinkCode.UNEXPECTED, "an exit must begin with WELCOME")
        if frames[1:]:
            self._session.tunnel.link_frames(link, frames[1:])

    def link_windows(self, link: SecureLink) -> None:
        """Nothing to do: windows concern data, and the session is not using the link yet."""

    def link_draining(self, link: SecureLink) -> None:
        """Have the session move off the link as soon as it has another one."""
        self._session.tunnel.link_draining(link)

    def link_control(self, link: SecureLink, message: Control) -> None:
        """Nothing to do: the relay has not been asked for anything yet."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """Learn that the link ended before WELCOME."""
        self._handshake_failed(error)

    def _welcome(self, link: SecureLink, welcome: Welcome) -> None:
        if welcome.version != VERSION:
            raise PeerError(LinkCode.VERSION, f"link protocol version {welcome.version}")
        self._session.tunnel.limit_window(welcome.window_bytes)
        self._session.tunnel.acknowledged_to(welcome.received)
        self._session.welcomed = True
        self._hello_unanswered = False
        link.hand_over(self._session.tunnel)
        self._step_done("welcome")
        if not self._welcomed.done():
            self._welcomed.set_result(None)

    def _refused(self, code: LinkCode) -> None:
        self._handshake_failed(LinkRefused(code, "the exit refused the link"))
        if code is LinkCode.UNKNOWN_SESSION:
            self._session.tunnel.close()

    def _handshake_failed(self, error: LinkLost) -> None:
        if not self._welcomed.done():
            self._welcomed.set_exception(error)
            # asyncio logs an exception that nobody retrieves, and `run` may have been cancelled.
            self._welcomed.exception()

    def _step_done(self, name: str) -> None:
        now = time.monotonic()
        self.steps.append((name, now - self._step_began_s))
        self._step_began_s = now
