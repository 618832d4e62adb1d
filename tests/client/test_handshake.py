"""Links that join a client's session, with a real exit at the other end of a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from passerelle.errors import LinkCode, LinkLost
from passerelle.exit.sessions import SessionTable
from passerelle.wire.frames import Hello
from tests.client.party import Client
from tests.io.tunnel.pipes import Listener
from tests.network import exit_config


@pytest.fixture
async def table() -> AsyncIterator[SessionTable]:
    made = SessionTable(exit_config())
    yield made
    await made.close()


async def test_it_ends_in_a_usable_link(table: SessionTable) -> None:
    """After WELCOME the session has its link and the exit its session, under the client's id."""
    client = Client(table)
    assert client.session.may_change_exit
    await client.join()
    await client.join()
    assert client.tunnel.ready_links == client.owner.linked == 2
    assert client.session.welcomed
    assert not client.session.may_change_exit
    assert list(table._sessions) == [client.session.id]
    client.tunnel.close()


async def test_it_gives_up_in_time(table: SessionTable) -> None:
    """An exit that does not answer is a TIMEOUT, and its link is gone."""
    client = Client(table)
    with pytest.raises(LinkLost) as caught:
        await client.join(timeout_s=0.02, serve=False)
    assert caught.value.code is LinkCode.TIMEOUT
    assert client.tunnel.ready_links == 0
    assert client.session.may_change_exit, "HELLO was not sent"
    client.tunnel.close()


async def test_a_hello_without_an_answer_ties_the_session_to_its_exit(
    table: SessionTable,
) -> None:
    """The exit may have created the session and opened connections, which no other may repeat."""
    client = Client(table)
    silent = Listener()
    with pytest.raises(LinkLost) as caught:
        await client.join(timeout_s=0.05, exit_handler=silent)
    assert caught.value.code is LinkCode.TIMEOUT
    assert [type(frame) for frame in silent.frames][:1] == [Hello]
    assert client.owner.linked == len(client.owner.down) == 1
    assert not client.session.welcomed
    assert not client.session.may_change_exit
    client.tunnel.close()


async def test_cancelling_leaves_no_link(table: SessionTable) -> None:
    """A cancelled handshake closes its link."""
    client = Client(table)
    joining = asyncio.ensure_future(client.join(serve=False))
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert client.tunnel.ready_links == 0
    client.tunnel.close()


async def test_a_lost_session_ends_the_clients_tunnel(table: SessionTable) -> None:
    """UNKNOWN_SESSION after a WELCOME: the client's session is over, other joiners are told."""
    client = Client(table)
    await client.join()
    table._sessions.clear()
    waiting = asyncio.ensure_future(client.join(serve=False))
    with pytest.raises(LinkLost) as caught:
        await client.join()
    assert caught.value.code is LinkCode.UNKNOWN_SESSION
    assert client.tunnel.ended
    assert client.owner.ended.result() is LinkCode.NORMAL
    waiting.cancel()
    await asyncio.wait((waiting,))


async def test_an_exit_that_goes_away_is_told_once(table: SessionTable) -> None:
    """The owner hears of it once, over however many links the exit says so."""
    client = Client(table)
    await client.join()
    await client.join()
    (session,) = table._sessions.values()
    session.tunnel.drain()
    session.tunnel.close()
    async with asyncio.timeout(5):
        await client.owner.ended
    assert client.owner.exit_leaves == 1
