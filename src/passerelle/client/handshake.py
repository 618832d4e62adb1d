"""Makes one link: from an answered offer to the exit's WELCOME."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from passerelle.errors import LinkCode, LinkLost, LinkRefused, PeerError
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe
from passerelle.io.tunnel.transport import Transport
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire.control import Control
from passerelle.wire.frames import VERSION, Frame, Hello, Refused, Welcome


class ClientSession:
    """The session that a client's links join, and whether the exit knows it yet."""

    def __init__(
        self, session_id: bytes, tunnel: Tunnel, joined: Callable[[], None] = lambda: None
    ) -> None:
        """`joined` is called when a link begins to carry the session."""
        self.session_id = session_id
        self.tunnel = tunnel
        self.joined = joined
        self.exit_id: str | None = None
        """The exit that holds the session; None until the first link is made."""
        self.welcomed = False
        """Once true, an exit that does not know the session has lost it."""
        self.unanswered = False
        """Whether a link that had said HELLO ended without an answer: the exit may have acted."""

    @property
    def untouched(self) -> bool:
        """Whether surely no exit has taken anything of it: it may begin at another one."""
        return not (self.welcomed or self.unanswered)

    def is_ready(self, number: int) -> bool:
        """Whether a link can take new data of this session."""
        return self.tunnel.is_ready(number)


class ClientHandshake:
    """Handles a link until the exit's WELCOME; then the tunnel does.

    Data may follow HELLO without waiting for WELCOME, so a new link costs no round trip more.
    """

    def __init__(self, session: ClientSession, ticket: str) -> None:
        self._session = session
        self._ticket = ticket
        self._welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.steps: list[tuple[str, float]] = []
        self._since = time.monotonic()
        self._asked = False
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

        Raises LinkLost. Cancelling closes the link.
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
        self._session.unanswered |= self._asked
        self._session.tunnel.link_lost(link, LinkLost(code, "the link was given up"))

    def link_ready(self, link: SecureLink) -> None:
        """Send HELLO, and let the session use the link at once."""
        self._step("tls")
        tunnel = self._session.tunnel
        if tunnel.ended:
            self._fail(LinkLost(LinkCode.UNKNOWN_SESSION, "the session ended meanwhile"))
            return
        link.send(
            [
                Hello(
                    self._session.session_id,
                    not self._session.welcomed,
                    tunnel.received,
                    self._ticket,
                )
            ]
        )
        self._asked = True
        tunnel.attach(link)
        self._session.joined()

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take WELCOME or REFUSED, and hand what follows to the session."""
        match frames[0]:
            case Welcome() as welcome:
                self._welcome(link, welcome)
            case Refused(code):
                self._asked = False
                self._refused(code)
                return
            case _:
                raise PeerError(LinkCode.UNEXPECTED, "an exit must begin with WELCOME")
        if frames[1:]:
            self._session.tunnel.link_frames(link, frames[1:])

    def link_windows(self, link: SecureLink) -> None:
        """Nothing is sent before the session has the link."""

    def link_draining(self, link: SecureLink) -> None:
        """The session moves off it as soon as another is there."""
        self._session.tunnel.link_draining(link)

    def link_control(self, link: SecureLink, message: Control) -> None:
        """Nothing was asked of the relay yet."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """The link ended before WELCOME."""
        self._fail(error)

    def _welcome(self, link: SecureLink, welcome: Welcome) -> None:
        if welcome.version != VERSION:
            raise PeerError(LinkCode.VERSION, f"link protocol version {welcome.version}")
        self._session.tunnel.acknowledged_to(welcome.received)
        self._session.welcomed = True
        self._asked = False
        link.hand_over(self._session.tunnel)
        self._step("welcome")
        if not self._welcomed.done():
            self._welcomed.set_result(None)

    def _refused(self, code: LinkCode) -> None:
        self._fail(LinkRefused(code, "the exit refused the link"))
        if code is LinkCode.UNKNOWN_SESSION:
            self._session.tunnel.close()

    def _fail(self, error: LinkLost) -> None:
        if not self._welcomed.done():
            self._welcomed.set_exception(error)
            self._welcomed.exception()  # `run` may have been cancelled: nobody must miss it

    def _step(self, name: str) -> None:
        now = time.monotonic()
        self.steps.append((name, now - self._since))
        self._since = now
