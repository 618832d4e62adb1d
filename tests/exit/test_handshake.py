from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from passerelle import limits
from passerelle.client.handshake import ClientHandshake, ClientSession
from passerelle.errors import LinkCode, LinkLost
from passerelle.exit.config import Lifetimes
from passerelle.exit.handshake import ExitHandshake
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe, client_context, exit_context
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire import control
from passerelle.wire.frames import (
    VERSION,
    Close,
    Data,
    Drain,
    Frame,
    Hello,
    Ping,
    Refused,
    Welcome,
)
from passerelle.wire.tickets import TicketKind
from tests.io.tunnel.pipes import Listener, Owner, PipeEnd, pipe
from tests.network import KEYS, exit_config, ticket

_numbers = itertools.count(100)
CONTEXT = exit_context(KEYS.exit_link)
PINS = (KEYS.exit_link.spki_sha256,)


@pytest.fixture
async def table() -> AsyncIterator[SessionTable]:
    made = SessionTable(exit_config(sessions=2))
    yield made
    await made.close()


def hello(**changes: object) -> Hello:
    made = Hello(secrets.token_bytes(16), may_create=True, received=0,
                 ticket=ticket(TicketKind.CLIENT))  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


class Visitor:
    """A client's end of one link to an exit, frame by frame."""

    def __init__(self, table: SessionTable) -> None:
        self.end, self.far_end = pipe()
        self.listener = Listener()
        self.introduced = asyncio.Event()
        handshake = ExitHandshake(table, self.introduced.set)
        self.far = SecureLink(next(_numbers), self.far_end, TlsPipe(CONTEXT), handshake)
        self.far.start()
        self.link = SecureLink(2, self.end, TlsPipe(client_context(), PINS), self.listener)
        self.link.start()

    async def say(self, *frames: Frame) -> list[Frame]:
        """Send frames once the link is secure; return the frames that come back."""
        async with asyncio.timeout(5):
            await self.listener.ready.wait()
        self.link.send(frames)
        for _ in range(30):
            await asyncio.sleep(0)
        return self.listener.frames


async def test_hello_is_answered_by_welcome(table: SessionTable) -> None:
    """WELCOME says that the session is new, that nothing was received, and the window."""
    visitor = Visitor(table)
    answer = await visitor.say(hello())
    assert answer[0] == Welcome(False, 0, limits.SESSION_WINDOW_BYTES)
    assert visitor.introduced.is_set()
    assert len(table) == 1


async def test_second_link_joins_the_session(table: SessionTable) -> None:
    """The same session id resumes the session, and data behind HELLO counts at once."""
    first = hello()
    await Visitor(table).say(first)
    answer = await Visitor(table).say(replace(first, may_create=False))
    assert answer[0] == Welcome(True, 0, limits.SESSION_WINDOW_BYTES)
    assert len(table) == 1


REFUSALS: list[tuple[dict[str, object], LinkCode]] = [
    ({"version": VERSION + 1}, LinkCode.VERSION),
    ({"ticket": ""}, LinkCode.TICKET),
    ({"ticket": "bm90IGEgdGlja2V0"}, LinkCode.TICKET),
    ({"ticket": ticket(TicketKind.LINK)}, LinkCode.TICKET),
    ({"ticket": ticket(TicketKind.CLIENT, exit_id="other")}, LinkCode.TICKET),
    ({"ticket": ticket(TicketKind.CLIENT, life_s=-5)}, LinkCode.TICKET),
    ({"ticket": ticket(TicketKind.CLIENT, key=KEYS.operator)}, LinkCode.TICKET),
    ({"may_create": False}, LinkCode.UNKNOWN_SESSION),
    ({"received": 1}, LinkCode.FLOW),
]


@pytest.mark.parametrize(("changes", "code"), REFUSALS)
async def test_bad_hello_is_refused_with_its_code(
    table: SessionTable, changes: dict[str, object], code: LinkCode
) -> None:
    """REFUSED has the reason, and the link ends."""
    visitor = Visitor(table)
    assert await visitor.say(hello(**changes)) == [Refused(code)]
    assert visitor.listener.code is code
    assert visitor.introduced.is_set()
    assert visitor.far.closed


@pytest.mark.parametrize(
    "first", [Ping(1), Data(0, b"x"), Drain(), Welcome(False, 0, 0), Close(LinkCode.NORMAL, True)]
)
async def test_other_frames_before_hello_are_unexpected(table: SessionTable, first: Frame) -> None:
    """A link that begins with another frame than HELLO ends with UNEXPECTED."""
    visitor = Visitor(table)
    answer = await visitor.say(first, hello())
    if isinstance(first, Drain):
        assert visitor.listener.code is LinkCode.DRAINING
    else:
        assert answer == [Refused(LinkCode.UNEXPECTED)]
    assert visitor.far.closed
    assert len(table) == 0


async def test_close_as_the_first_frame_is_no_accident(table: SessionTable) -> None:
    """CLOSE as the first frame ends the link and leaves nothing."""
    visitor = Visitor(table)
    await visitor.say(Close(LinkCode.NORMAL))
    assert visitor.far.closed
    assert visitor.introduced.is_set()
    assert len(table) == 0


async def test_second_hello_ends_the_link_only(table: SessionTable) -> None:
    """A second HELLO ends its link, and the session stays."""
    first = hello()
    visitor, other = Visitor(table), Visitor(table)
    await visitor.say(first)
    await other.say(first)
    await other.say(first)
    assert other.listener.code is LinkCode.UNEXPECTED
    assert not visitor.link.closed
    assert len(table) == 1


async def test_too_many_sessions_and_too_many_links(table: SessionTable) -> None:
    """Beyond either limit a link gets REFUSED with LIMIT, and no WELCOME."""
    first = hello()
    for _ in range(limits.LINKS_PER_SESSION):
        await Visitor(table).say(first)
    assert await Visitor(table).say(first) == [Refused(LinkCode.LIMIT)]
    await Visitor(table).say(hello())
    assert await Visitor(table).say(hello()) == [Refused(LinkCode.LIMIT)]
    assert len(table) == 2


async def test_relay_that_leaves_before_hello(table: SessionTable) -> None:
    """A link whose relay leaves before HELLO is closed."""
    visitor = Visitor(table)
    visitor.far_end.say(control.encode(control.Drain()))
    await visitor.say()
    assert visitor.far.closed
    assert visitor.introduced.is_set()


async def test_session_closes_at_the_clients_wish(table: SessionTable) -> None:
    """CLOSE with the session's scope ends the session at once."""
    visitor = Visitor(table)
    await visitor.say(hello())
    await visitor.say(Close(LinkCode.NORMAL, ends_session=True))
    assert len(table) == 0


async def test_session_without_links_ends_after_its_grace() -> None:
    """A session whose client does not come back ends after its grace."""
    table = SessionTable(exit_config(lifetimes=Lifetimes(grace_s=0.02)))
    visitor = Visitor(table)
    await visitor.say(hello())
    visitor.far_end.cut()
    async with asyncio.timeout(5):
        while len(table):  # noqa: ASYNC110  (a table has nothing to wait for)
            await asyncio.sleep(0.001)
    await table.close()


class Client:
    """A client's session, joined to an exit by the client's real code."""

    def __init__(self, table: SessionTable) -> None:
        self.table = table
        self.owner = Owner()
        self.tunnel = Tunnel(self.owner, client=True, grace_s=60)
        self.session = ClientSession(secrets.token_bytes(16), self.tunnel)
        self._number = 0

    async def join(self, *, timeout_s: float = 5, serve: bool = True) -> PipeEnd:
        near, far = pipe()
        self._number += 1
        if serve:
            SecureLink(self._number, far, TlsPipe(CONTEXT), ExitHandshake(self.table)).start()
        handshake = ClientHandshake(self.session, ticket(TicketKind.CLIENT))
        await handshake.run(self._number, near, client_context(), PINS, timeout_s)
        assert [name for name, _ in handshake.steps] == ["tls", "welcome"]
        return near


async def test_introduction_ends_in_a_usable_link(table: SessionTable) -> None:
    """After WELCOME the session has its link and the exit its session."""
    client = Client(table)
    await client.join()
    await client.join()
    assert client.tunnel.ready_links == 2
    assert client.session.welcomed
    assert len(table) == 1
    client.tunnel.close()


async def test_introduction_gives_up_in_time(table: SessionTable) -> None:
    """A link whose exit does not answer ends with TIMEOUT."""
    client = Client(table)
    with pytest.raises(LinkLost) as caught:
        await client.join(timeout_s=0.02, serve=False)
    assert caught.value.code is LinkCode.TIMEOUT
    assert client.tunnel.ready_links == 0
    client.tunnel.close()


async def test_cancelled_introduction_leaves_no_link(table: SessionTable) -> None:
    """A cancelled introduction closes its link."""
    client = Client(table)
    joining = asyncio.ensure_future(client.join(serve=False))
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert client.tunnel.ready_links == 0
    client.tunnel.close()


async def test_lost_session_ends_the_clients_tunnel(table: SessionTable) -> None:
    """UNKNOWN_SESSION after a WELCOME: the client's session is over, other joiners are told."""
    client = Client(table)
    await client.join()
    table._sessions.clear()
    waiting = asyncio.ensure_future(client.join(serve=False))
    with pytest.raises(LinkLost) as caught:
        await client.join()
    assert caught.value.code is LinkCode.UNKNOWN_SESSION
    assert client.tunnel.ended
    assert await client.owner.ended is LinkCode.NORMAL
    waiting.cancel()
    await asyncio.wait((waiting,))
