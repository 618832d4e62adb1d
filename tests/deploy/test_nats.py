"""`deploy/nats-server.conf` in a real nats-server: what an exit's account may say and hear."""

from __future__ import annotations

# ruff: noqa: ASYNC110  (what is waited for has no event)
import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from passerelle import serverlimits
from passerelle.exit.announcer import Announcer
from passerelle.io.server.bus import connect
from passerelle.wire.bus import ExitLoad, Subjects
from passerelle.wire.signalling import NatClass
from tests.broker.parties import EXITS, NOW, TICKET_KEY, scene
from tests.broker.test_cluster import heard, stats
from tests.rig.frontserver import DEPLOY
from tests.rig.nats import NatsServer, nats_server, settled

pytestmark = pytest.mark.timeout(60)
FILE = DEPLOY / "nats-server.conf"
PASSWORDS = {"broker": "1e5-and-more", "exit": "2e5-and-more"}
SUBJECTS = Subjects(TICKET_KEY.public_key())
AMONG_BROKERS = (
    *map(SUBJECTS.place, NatClass),
    SUBJECTS.complaint,
    SUBJECTS.broker,
    SUBJECTS.question,
    SUBJECTS.counts,
)
OF_EXITS = (SUBJECTS.link, SUBJECTS.exit)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server with the file as operators copy it, and a password in each of the two lines."""
    text = FILE.read_text(encoding="utf-8")
    for user, password in PASSWORDS.items():
        line = f'# {user.upper()}_PASSWORD: "..."'
        assert line in text
        text = text.replace(line, line[2:].replace("...", password))
    config = tmp_path_factory.mktemp("nats") / "nats-server.conf"
    config.write_text(text, encoding="utf-8")
    with nats_server(config=config) as running:
        yield running


class Member:
    """Somebody with an account, what it heard, and what it was refused."""

    def __init__(self) -> None:
        self.client = Client()
        self.heard: list[str] = []
        self.refused: list[str] = []

    async def hear(self, message: Msg) -> None:
        self.heard.append(message.subject)

    async def fault(self, error: Exception) -> None:
        self.refused.append(str(error))

    async def subscribe(self, *subjects: str) -> None:
        for subject in subjects:
            await self.client.subscribe(subject, cb=self.hear)
        await self.settle()

    async def publish(self, *subjects: str) -> None:
        for subject in subjects:
            await self.client.publish(subject, b"x")
        await self.settle()

    async def until_refused(self, count: int) -> None:
        """Wait until the server has said so often that something is not for this account."""
        async with asyncio.timeout(10):
            while len(self.refused) < count:
                await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Wait until the server has judged what was said, and what it passed on is heard."""
        await settled(self.client)


@asynccontextmanager
async def member(server: NatsServer, user: str) -> AsyncIterator[Member]:
    made = Member()
    url = server.url_of(user, PASSWORDS[user])
    await made.client.connect(url, error_cb=made.fault)
    try:
        yield made
    finally:
        await made.client.close()


async def test_an_exit_hears_nothing(server: NatsServer) -> None:
    """Neither what brokers say to each other, nor other exits, nor anybody's answers."""
    async with member(server, "exit") as exit_, member(server, "broker") as broker:
        wanted = (*AMONG_BROKERS, *OF_EXITS, ">", "passerelle.>", "_INBOX.>")
        await exit_.subscribe(*wanted)
        await exit_.until_refused(len(wanted))
        await broker.publish(*AMONG_BROKERS, *OF_EXITS, "_INBOX.answer")
        await exit_.settle()
        assert exit_.heard == []
        assert broker.refused == []


async def test_an_exit_says_what_exits_say_and_nothing_else(server: NatsServer) -> None:
    async with member(server, "exit") as exit_, member(server, "broker") as broker:
        await broker.subscribe("passerelle.2.>", "_INBOX.>")
        await exit_.publish(*AMONG_BROKERS, "_INBOX.answer", "passerelle.2.other")
        await exit_.until_refused(len(AMONG_BROKERS) + 2)
        await exit_.publish(*OF_EXITS)
        await broker.settle()
        assert broker.heard == list(OF_EXITS)


@pytest.mark.parametrize("login", [{}, {"user": "exit", "pass": "a guess"}, {"user": "exit"}])
async def test_nobody_comes_without_a_password(server: NatsServer, login: dict[str, str]) -> None:
    at = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"INFO")
        writer.write(
            b"CONNECT " + json.dumps({"verbose": False, **login}).encode() + b"\r\nPING\r\n"
        )
        assert b"Authorization Violation" in await reader.read()
    writer.close()


async def test_a_long_message_ends_at_the_server(server: NatsServer) -> None:
    """The server carries whatever we send, and little more."""
    async with member(server, "exit") as exit_:
        assert (
            serverlimits.BUS_MESSAGE_BYTES
            <= exit_.client.max_payload
            <= 2 * serverlimits.BUS_MESSAGE_BYTES
        )


async def test_a_network_runs_with_these_accounts(server: NatsServer) -> None:
    """Brokers find each other's volunteers, and hear an exit that has the other account."""
    urls = {user: server.url_of(user, password) for user, password in PASSWORDS.items()}
    ends = [await connect(urls["broker"], name="broker") for _ in range(2)]
    exit_end = await connect(urls["exit"], name="exit")
    announcer = Announcer(exit_end, SUBJECTS, EXITS["two"].signing_key)
    try:
        async with scene(ends[0]) as here, scene(ends[1]) as there, asyncio.timeout(30):
            await there.volunteer(free=8)
            await heard(here, there)
            announcer.announce(lambda: ExitLoad("two", NOW, 5, 5, 100))
            while (await stats(here))["people"] != 8:
                await asyncio.sleep(0.05)
    finally:
        await announcer.close()
        for end in (*ends, exit_end):
            await end.close()


def test_the_file_is_refused_without_passwords() -> None:
    """No network runs with passwords that everybody can read here."""
    program = ["nats-server", "--config", str(FILE), "-t"]
    environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin"}
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    assert "BROKER_PASSWORD" in done.stderr
