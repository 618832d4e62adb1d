from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.exit.config import Lifetimes
from passerelle.exit.handshake import ExitHandshake
from passerelle.exit.sessions import SessionTable
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import TlsPipe, client_context, exit_context
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
from tests.io.tunnel.pipes import Listener, pipe
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
    """A client's raw end of one link to an exit."""

    def __init__(self, table: SessionTable) -> None:
        self.end, self.far_end = pipe()
        self.listener = Listener()
        self.handshake_done = asyncio.Event()
        handshake = ExitHandshake(table, self.handshake_done.set)
        self.far = SecureLink(next(_numbers), self.far_end, TlsPipe(CONTEXT), handshake)
        self.far.start()
        self.link = SecureLink(2, self.end, TlsPipe(client_context(), PINS), self.listener)
        self.link.start()

    async def say(self, *frames: Frame) -> list[Frame]:
        """Send frames once the link is secure; return what came back until all is quiet."""
        async with asyncio.timeout(5):
            await self.listener.ready.wait()
        self.link.send(frames)
        for _ in range(30):
            await asyncio.sleep(0)
        return self.listener.frames


async def test_hello_is_answered_by_welcome(table: SessionTable) -> None:
    """A new session: not resumed, nothing received, and the window."""
    visitor = Visitor(table)
    answer = await visitor.say(hello())
    assert answer[0] == Welcome(False, 0, limits.SESSION_WINDOW_BYTES)
    assert visitor.handshake_done.is_set()
    assert len(table) == 1


async def test_second_link_joins_the_session(table: SessionTable) -> None:
    """The same session id resumes; data beside HELLO counts at once."""
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
    """REFUSED says why, and the link is over."""
    visitor = Visitor(table)
    assert await visitor.say(hello(**changes)) == [Refused(code)]
    assert visitor.listener.code is code
    assert visitor.handshake_done.is_set()
    assert visitor.far.closed
    assert len(table) == 0


async def test_a_bad_hello_leaves_a_session_that_is_there(table: SessionTable) -> None:
    """The session goes on without the link whose HELLO makes no sense."""
    first = hello()
    await Visitor(table).say(first)
    visitor = Visitor(table)
    assert await visitor.say(replace(first, received=1 << 40)) == [Refused(LinkCode.FLOW)]
    assert visitor.far.closed
    assert len(table) == 1


@pytest.mark.parametrize(
    "first", [Ping(1), Data(0, b"x"), Drain(), Welcome(False, 0, 0), Close(LinkCode.NORMAL, True)]
)
async def test_other_frames_before_hello_are_unexpected(table: SessionTable, first: Frame) -> None:
    """A link begins with HELLO or not at all."""
    visitor = Visitor(table)
    answer = await visitor.say(first, hello())
    if isinstance(first, Drain):
        assert visitor.listener.code is LinkCode.DRAINING
    else:
        assert answer == [Refused(LinkCode.UNEXPECTED)]
    assert visitor.far.closed
    assert len(table) == 0


async def test_close_as_the_first_frame_is_no_accident(table: SessionTable) -> None:
    """A client that leaves at once leaves nothing."""
    visitor = Visitor(table)
    await visitor.say(Close(LinkCode.NORMAL))
    assert visitor.far.closed
    assert visitor.handshake_done.is_set()
    assert len(table) == 0


async def test_second_hello_ends_the_link_only(table: SessionTable) -> None:
    """The session stays for the other links."""
    first = hello()
    visitor, other = Visitor(table), Visitor(table)
    await visitor.say(first)
    await other.say(first)
    await other.say(first)
    assert other.listener.code is LinkCode.UNEXPECTED
    assert not visitor.link.closed
    assert len(table) == 1


async def test_too_many_sessions_and_too_many_links(table: SessionTable) -> None:
    """Both limits are told as LIMIT, in REFUSED and without a WELCOME before it."""
    first = hello()
    for _ in range(limits.LINKS_PER_SESSION):
        await Visitor(table).say(first)
    assert await Visitor(table).say(first) == [Refused(LinkCode.LIMIT)]
    await Visitor(table).say(hello())
    assert await Visitor(table).say(hello()) == [Refused(LinkCode.LIMIT)]
    assert len(table) == 2


async def test_relay_that_leaves_before_hello(table: SessionTable) -> None:
    """The link is of no use any more."""
    visitor = Visitor(table)
    visitor.far_end.say(control.encode(control.RelayDrain()))
    await visitor.say()
    assert visitor.far.closed
    assert visitor.handshake_done.is_set()


async def test_session_closes_at_the_clients_wish(table: SessionTable) -> None:
    """CLOSE of the session frees it at once."""
    visitor = Visitor(table)
    await visitor.say(hello())
    await visitor.say(Close(LinkCode.NORMAL, ends_session=True))
    assert len(table) == 0


async def test_session_without_links_ends_after_its_grace() -> None:
    """A session whose client never comes back does not stay."""
    table = SessionTable(exit_config(lifetimes=Lifetimes(grace_s=0.02)))
    visitor = Visitor(table)
    await visitor.say(hello())
    visitor.far_end.cut()
    async with asyncio.timeout(5):
        while len(table):  # noqa: ASYNC110  (a table has nothing to wait for)
            await asyncio.sleep(0.001)
    await table.close()
