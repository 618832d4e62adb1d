from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from passerelle.doorwatch import DoorWatch
from passerelle.io.server.web import WebServer
from passerelle.io.tasks import TaskSet
from passerelle.keyring import Keyring
from passerelle.wire import doors, rendezvous
from tests.network import HOST
from tests.rig.ports import free_port

KEYS = Keyring.generate()


def document(keys: Keyring = KEYS) -> bytes:
    """Return the signed description of a network with these keys."""
    _, made = keys.descriptor(
        "test",
        broker_url="https://broker.example",
        exit_url="wss://exit.example/v1/link",
        exit_id="exit-1",
        now_s=time.time(),
    )
    return made


@dataclass
class Door:
    """A door that answers what it is told to."""

    body: bytes = field(default_factory=document)
    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)
    keys: Keyring = KEYS
    """Those of the broker behind it."""
    posts: int = 200
    """How messages are answered."""
    watch: DoorWatch = field(init=False)
    changes: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    """How many doors work, at every change."""

    async def pass_on(self, request: web.Request) -> web.Response:
        """Answer a message as a broker does that knows the door's key by its own keys."""
        if await request.read() != doors.TRIAL:
            raise web.HTTPNotFound
        key = doors.door_key(self.keys.broker_seal, str(request.url.with_path("/door")))
        kind = rendezvous.CONTENT_TYPE if self.posts in (200, 400) else "text/html"
        body = doors.receipt(key) if self.posts == 200 else b""
        return web.Response(body=body, status=self.posts, content_type=kind)

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != "/door/v1/network":
            raise web.HTTPNotFound
        return web.Response(body=self.body, status=self.status, headers=self.fields)


@asynccontextmanager
async def scene() -> AsyncIterator[Door]:
    """A door that works, beside one where nothing answers, with a watch over both."""
    door = Door()
    app = web.Application()
    app.router.add_get("/{path:.*}", door.answer)
    app.router.add_post("/door/v1/rendezvous", door.pass_on)
    async with WebServer(app, HOST, 0) as server, TaskSet("test") as tasks:
        urls = [f"http://{HOST}:{server.port}/door", f"http://{HOST}:{free_port()}/door"]
        door.watch = DoorWatch(
            urls,
            KEYS,
            "exit-1",
            changed=lambda: door.changes.put_nowait(len(door.watch.working)),
            pause_s=0.01,
        )
        tasks.spawn(door.watch.run(), "watch")
        async with asyncio.timeout(10):
            assert await door.changes.get() == 1
            assert [each.url for each in door.watch.working] == urls[:1]
            yield door


async def test_the_operator_is_told_of_doors_that_do_not_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that do are named, with what they carry; one that never worked is told once."""
    async with scene() as door:
        assert sorted(door.watch.states.values()) == [0.0, 1.0]
        async with asyncio.timeout(10):
            while "does not work: nothing answers" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (fault,) = door.watch.faults
        assert "nothing answers" in fault
        assert door.watch.working[0].links is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": 503}, "answers 503"),
        ({"status": 302, "fields": {"Location": "/elsewhere"}}, "answers 302"),
        ({"body": b"<html>It works!"}, "something else"),
        ({"body": document(Keyring.generate())}, "something else"),
        ({"body": bytes(200_000)}, "something else"),
        ({"posts": 400}, "does not say the key"),
        ({"keys": Keyring.generate()}, "does not say the key"),
        ({"posts": 403}, "passes no messages on"),
    ],
    ids=[
        *("gone", "moved", "a web page", "another network's", "endless"),
        *("without its key", "with another key", "reading only"),
    ],
)
async def test_a_door_that_stops_working_is_left_out_until_it_works(
    change: dict[str, object], words: str
) -> None:
    """Readers are not sent to a door that leads nowhere, nor to one that leads elsewhere."""
    async with scene() as door:
        before = {name: getattr(door, name) for name in change}
        for name, value in change.items():
            setattr(door, name, value)
        assert await door.changes.get() == 0
        assert words in door.watch.faults[0]
        for name, value in before.items():
            setattr(door, name, value)
        assert await door.changes.get() == 1
