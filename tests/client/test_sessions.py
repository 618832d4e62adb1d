"""What follows a session that leaves or ends, with real tunnels that no link carries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from passerelle.client.config import ClientConfig
from passerelle.client.exits import ExitHealth
from passerelle.client.pool import ClientLink, LinkPool
from passerelle.client.session import ClientSession
from passerelle.client.sessions import Sessions
from passerelle.client.unrelayed import UnrelayedPath
from passerelle.errors import Failure, LinkCode, LinkLost
from passerelle.io.tasks import TaskSet
from tests.network import HOST, KEYS, Watch

EXITS = ("exit1", "exit2")


class Scene:
    """Sessions, and how often they said that links are needed."""

    def __init__(self) -> None:
        self.changes = 0
        self.exit_count = len(EXITS)
        config = ClientConfig(invite=KEYS.invite(f"http://{HOST}:1"))
        self.links = LinkPool(config, Watch(), self)
        self.exits = ExitHealth()
        self.sessions = Sessions(
            self.links,
            self.exits,
            exit_count=lambda: self.exit_count,
            grace_s=60,
            changed=self.links_changed,
        )

    def links_changed(self) -> None:
        self.changes += 1

    def link_failed(self, link: ClientLink, error: LinkLost) -> None:
        """Do as the supervisor does."""
        if link.session.exit_seems_gone:
            self.sessions.exit_seems_gone()

    @property
    def present(self) -> ClientSession:
        return self.sessions.present

    @property
    def next_exit(self) -> str | None:
        """The exit that is asked for now; None: whichever the broker likes."""
        return self.exits.choose(EXITS, time.monotonic(), 0.5)

    def at(self, exit_id: str, *, welcomed: bool = True) -> ClientSession:
        """The present session, as if a link had brought it to an exit."""
        self.present.exit_id = exit_id
        self.present.welcomed = welcomed
        return self.present


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    made.sessions.close()
    await made.links.close()


async def turn() -> None:
    """Let what was put off until the loop's next turn happen."""
    await asyncio.sleep(0)


async def test_a_session_that_ends_is_followed_by_a_new_one(scene: Scene) -> None:
    """The new session has another id, so that nothing of the old one is resumed."""
    lost = scene.present
    lost.tunnel.close()
    assert scene.present is not lost
    assert scene.present.id != lost.id
    assert not scene.present.tunnel.ended
    assert scene.changes == 1
    assert scene.next_exit is None, "its exit did nothing wrong"


async def test_a_session_that_leaves_lets_its_streams_finish(scene: Scene) -> None:
    """The old session stays until it ends by itself, and its exit is not asked for meanwhile."""
    old = scene.at("exit1")
    stream = old.tunnel.open(HOST, 80)
    old.tunnel_leaving()
    await turn()
    assert scene.present is not old
    assert not old.tunnel.ended
    assert stream.failure is None
    assert scene.changes == 1
    assert scene.next_exit == "exit2"
    present = scene.present
    old.tunnel.close()
    assert scene.present is present, "the end of an old session is not the end of the present one"
    assert scene.changes == 1


async def test_a_session_that_leaves_without_streams_ends(scene: Scene) -> None:
    """The session ends in the next turn of the loop, because its tunnel is still at work before."""
    old = scene.at("exit1")
    old.tunnel_leaving()
    assert not old.tunnel.ended
    await turn()
    assert old.tunnel.ended
    assert not scene.present.tunnel.ended
    assert scene.changes == 1


async def test_an_old_session_cannot_leave_again(scene: Scene) -> None:
    """A second DRAIN of the same exit changes nothing."""
    old = scene.at("exit1")
    old.tunnel.open(HOST, 80)
    old.tunnel_leaving()
    present = scene.present
    old.tunnel_leaving()
    assert scene.present is present


async def test_a_session_that_no_exit_has_seen_moves(scene: Scene) -> None:
    """The session keeps its streams, and what they wrote goes to the next exit."""
    session = scene.at("exit1", welcomed=False)
    stream = session.tunnel.open(HOST, 80)
    scene.sessions.exit_seems_gone()
    await turn()
    assert scene.present is session
    assert session.exit_id is None
    assert stream.failure is None
    assert scene.next_exit == "exit2"


@pytest.mark.parametrize("seen", ["welcomed", "unanswered"])
async def test_a_session_that_an_exit_may_have_seen_ends(scene: Scene, seen: str) -> None:
    """The exit may have connected the streams, and a second exit must not do so again."""
    session = scene.at("exit1", welcomed=False)
    setattr(session, seen, True)
    stream = session.tunnel.open(HOST, 80)
    scene.sessions.exit_seems_gone()
    await turn()
    assert scene.present is not session
    assert stream.failure is Failure.SESSION_LOST
    assert scene.next_exit == "exit2"


async def test_a_session_moves_only_when_no_link_to_its_exit_is_being_made(scene: Scene) -> None:
    """The session must not begin at two exits, so it waits until the last link has failed."""
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    session = scene.at("exit1", welcomed=False)
    async with await asyncio.start_server(serve, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        path = UnrelayedPath(f"ws://{HOST}:{port}/v1/link", "ticket")
        scene.links.start(ClientLink(session, path, "ticket", pins=()))
        scene.sessions.exit_seems_gone()
        assert session.exit_id == "exit1"
        assert scene.sessions.is_changing_exit
        silent.set()
        async with asyncio.timeout(5):
            while session.exit_id:  # noqa: ASYNC110  (nothing to wait for)
                await asyncio.sleep(0.002)
    assert scene.present is session
    assert not scene.sessions.is_changing_exit
    assert scene.next_exit == "exit2"


async def test_the_only_exit_is_not_given_up(scene: Scene) -> None:
    """A session stays at its exit where the network has no other."""
    scene.exit_count = 1
    session = scene.at("exit1")
    scene.sessions.exit_seems_gone()
    await turn()
    assert scene.present is session
    assert not session.tunnel.ended
    assert scene.next_exit is None


async def test_who_waits_for_a_link_waits_for_the_next_session(scene: Scene) -> None:
    """A session that ends before it has a link does not fail those who wait for one."""
    async with TaskSet("test") as tasks:
        waiting = tasks.start(scene.sessions.linked_tunnel(), "waiting")
        scene.present.tunnel.close()
        await turn()
        assert not waiting.done()


async def test_after_close_no_session_begins(scene: Scene) -> None:
    """All sessions are over, those that leave included, and a second `close` does nothing."""
    old = scene.at("exit1")
    old.tunnel.open(HOST, 80)
    old.tunnel_leaving()
    last = scene.present
    scene.sessions.close()
    scene.sessions.close()
    assert old.tunnel.ended
    assert scene.present is last
    assert last.tunnel.ended
    scene.sessions.session_ended(last, LinkCode.NORMAL)
    last.tunnel_leaving()
    scene.sessions.exit_seems_gone()
    assert scene.present is last
