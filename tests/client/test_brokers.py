"""Several brokers, several ways to each, a descriptor that changes: what the client makes of it."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.client import brokers as brokers_module
from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.client.rendezvous import BrokerSilent
from passerelle.client.state import ClientState, default_path
from passerelle.core.way_ranking import WayRecord
from passerelle.errors import ConfigError
from passerelle.io.server.web import WebServer, application
from passerelle.io.tasks import TaskSet
from passerelle.wire import descriptor, rendezvous, ways
from passerelle.wire.description import Setup
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry
from passerelle.wire.invite import Invite
from passerelle.wire.rendezvous import Refusal, RendezvousReply
from passerelle.wire.ways import DirectWay, FrontedWay, Way
from tests.broker.parties import description
from tests.network import HOST, KEYS
from tests.rig.ports import free_port

OPERATOR = KEYS.operator.public_key().public_bytes_raw()
SEAL_KEY = KEYS.broker_seal.public_key().public_bytes_raw()
DAY_S = 86_400


@dataclass
class Stand:
    """A broker that answers as a test wants, and counts what it is asked."""

    url: str
    document: bytes = b""
    reply: RendezvousReply = field(default_factory=lambda: RendezvousReply(exit="exit1"))
    is_silent: bool = False
    asked: int = 0
    nonces: set[bytes] = field(default_factory=set)
    fetched: int = 0

    async def network(self, _request: web.Request) -> web.Response:
        self.fetched += 1
        await self.pause()
        return web.Response(body=self.document, status=200 if self.document else 404)

    async def rendezvous(self, request: web.Request) -> web.Response:
        self.asked += 1
        opened = rendezvous.open_request(await request.read(), KEYS.broker_seal)
        self.nonces.add(opened.nonce)
        await self.pause()
        return web.Response(body=rendezvous.seal_reply(self.reply, opened))

    async def pause(self) -> None:
        while self.is_silent:  # noqa: ASYNC110  (the client gives up)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    made = Stand("")
    app = application()
    app.router.add_get("/v1/network", made.network)
    app.router.add_post("/v1/rendezvous", made.rendezvous)
    async with WebServer(app, HOST, 0, grace_s=0.1) as server:
        made.url = f"http://{HOST}:{server.port}"
        yield made
        made.is_silent = False


def entry(url: str, *listed: Way) -> BrokerEntry:
    return BrokerEntry(url, SEAL_KEY, bytes(32), ways.write(listed))


def document(*entries: BrokerEntry, issued_s: float | None = None, life_s: int = DAY_S) -> bytes:
    """A signed descriptor that names these brokers."""
    issued = int(time.time() if issued_s is None else issued_s)
    exits = (ExitEntry("exit1", "wss://exit.example/v1/link", (bytes(32),)),)
    return descriptor.sign(
        Descriptor("test", issued, issued + life_s, entries, exits), KEYS.operator
    )


def through(target: Stand) -> FrontedWay:
    """Another way to the same broker: here a name of this machine that is not its own."""
    return FrontedWay("http://broker.example", f"localhost:{target.url.rpartition(':')[2]}")


@asynccontextmanager
async def brokers(invite_url: str, **changes: Any) -> AsyncIterator[Brokers]:
    settings: dict[str, Any] = {"request_timeout_s": 3.0, "answer_patience_s": 0.3}
    config = ClientConfig(**({"invite": Invite(invite_url, OPERATOR)} | settings | changes))
    async with Brokers(config) as made:
        yield made


async def ask(made: Brokers) -> RendezvousReply:
    offers = (description(Setup.ACTPASS),)
    return await made.ask(offers, exit_id=None, avoid=(), lanes=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the background."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (nothing to wait for)
            await asyncio.sleep(0.01)


def nowhere() -> str:
    return f"http://{HOST}:{free_port()}"


async def test_another_broker_is_asked_when_one_fails() -> None:
    """The broker that answered is asked first from then on."""
    async with stand() as good:
        good.document = document(entry(nowhere()), entry(nowhere()), entry(good.url))
        async with brokers(good.url) as made:
            await made.load()
            for _ in range(3):
                assert (await ask(made)).exit == "exit1"
            assert good.asked == 3
            ranking = made._ranking.order([route.key for route in made._routes], time.time())
            best = next(route for route in made._routes if route.key == ranking[0])
            assert best.method._rendezvous.url.startswith(good.url)  # type: ignore[attr-defined]


async def test_a_busy_broker_sends_its_clients_to_another() -> None:
    """When all brokers are busy, the client is told when to come back."""
    async with stand() as first, stand() as second:
        first.document = document(entry(first.url), entry(second.url))
        for each in (first, second):
            each.reply = RendezvousReply(refusal=Refusal.BUSY, retry_after_s=7.0)
        async with brokers(first.url) as made:
            await made.load()
            assert (await ask(made)).retry_after_s == 7.0
            assert (first.asked, second.asked) == (1, 1)
            second.reply = RendezvousReply(exit="exit1")
            assert (await ask(made)).exit == "exit1"


async def test_silence_starts_the_next_way_beside_it() -> None:
    """Each way gets a request of its own, because the same one twice would look like a replay."""
    async with stand() as here:
        here.document = document(entry(here.url, DirectWay(), through(here)))
        async with brokers(here.url) as made:
            await made.load()
            here.is_silent = True
            async with TaskSet("test") as tasks:
                task = tasks.start(ask(made), "ask")
                await until(lambda: here.asked == 2)
                here.is_silent = False
                assert (await task).exit == "exit1"
            assert len(here.nonces) == 2


async def test_what_worked_is_tried_first_next_time(tmp_path: Path) -> None:
    """The next run of the program does not even try what was blocked, nor fetch what it has."""
    state = tmp_path / "folder" / "client.json"
    async with stand() as blocked, stand() as good:
        blocked.is_silent = True
        good.document = document(entry(blocked.url, DirectWay(), through(good)))
        # The invite's own name is blocked as well; a way in the invite leads on.
        invite = Invite(blocked.url, OPERATOR, (through(good),))
        async with brokers("", invite=invite, state=state) as made:
            await made.load()
            assert (await ask(made)).exit == "exit1"
        assert (blocked.fetched, blocked.asked) == (1, 0)
        async with brokers("", invite=invite, state=state) as made:
            await made.load()
            assert (await ask(made)).exit == "exit1"
        assert (blocked.fetched, blocked.asked) == (1, 0)
        assert (good.fetched, good.asked) == (1, 2)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700


async def test_the_state_names_no_address_but_the_descriptors(tmp_path: Path) -> None:
    """The file has kinds, counts and times, and nothing that the descriptor does not say."""
    state = tmp_path / "client.json"
    async with stand() as good:
        good.document = document(entry("https://broker.example", through(good)))
        async with brokers(good.url, state=state) as made:
            await made.load()
            await ask(made)
    memory = ClientState(OPERATOR, state)
    memory.load()
    assert memory.document == good.document
    text = state.read_text()
    assert good.url.rpartition(":")[2] not in text.replace('"document":', "").split('"ways"')[1]
    assert {key.partition("-")[0] for key in memory.ways} == {"direct", "fronted"}
    assert all(isinstance(record, WayRecord) for record in memory.ways.values())


@pytest.mark.parametrize("content", [b"", b"{", b'{"operator_key": 5}', b"[1, 2]", b"\xff"])
def test_a_damaged_state_counts_as_none(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "client.json"
    path.write_bytes(content)
    state = ClientState(OPERATOR, path)
    state.load()
    assert (state.document, state.ways) == (b"", {})
    assert "cannot be read" in caplog.text
    state.save()
    ClientState(OPERATOR, path).load()


def test_another_networks_state_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "client.json"
    ClientState(bytes(32), path, b"theirs", {"direct-1": WayRecord(failures=1)}).save()
    state = ClientState(OPERATOR, path)
    state.load()
    assert (state.document, state.ways) == (b"", {})


def test_a_state_that_cannot_be_kept_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client logs one line and goes on."""
    (tmp_path / "file").write_text("")
    state = ClientState(OPERATOR, tmp_path / "file" / "client.json", b"x")
    state.save()
    assert "cannot be remembered" in caplog.text
    assert state.path is None


@pytest.mark.parametrize(
    ("home", "expected"),
    [("/var/state", "/var/state"), ("", "~/.local/state"), ("relative", "~/.local/state")],
)
def test_where_the_state_is(home: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The XDG Base Directory Specification is followed: a relative path there does not count."""
    monkeypatch.setenv("XDG_STATE_HOME", home)
    assert default_path() == Path(expected).expanduser() / "passerelle" / "client.json"


async def test_a_remembered_descriptor_is_verified_anew(tmp_path: Path) -> None:
    """A descriptor that expired, or that somebody else signed, is fetched again."""
    state = tmp_path / "client.json"
    async with stand() as good:
        good.document = document(entry(good.url))
        expired = document(entry(nowhere()), issued_s=time.time() - 2 * DAY_S)
        for bad in (expired, b"nonsense", expired.replace(b"test", b"tost")):
            ClientState(OPERATOR, state, bad).save()
            async with brokers(good.url, state=state) as made:
                assert made.descriptor is None
                assert (await made.load()).brokers[0].url == good.url


async def test_the_descriptor_is_renewed_before_it_expires() -> None:
    """Past half of a descriptor's life a newer one is taken, and never an older one."""
    async with stand() as good, TaskSet("test") as tasks:
        young, old = entry(good.url), entry("http://old.example")
        now = time.time()
        good.document = document(old, issued_s=now - 1000, life_s=1500)
        async with brokers(good.url, reload_pause_s=0.05) as made:
            await made.load()
            tasks.spawn(made.keep_fresh(), "fresh")
            good.document = document(young, issued_s=now - 10, life_s=1500)
            await until(lambda: made.descriptor is not None and made.descriptor.brokers == (young,))
            fetched = good.fetched
            good.document = document(old, issued_s=now - 500, life_s=DAY_S)
            await made.reload()
            assert (await made.load()).brokers == (young,)
            assert good.fetched == fetched + 1, "what is young is not fetched without need"


async def test_brokers_that_moved_are_found_after_repeated_failures() -> None:
    """The descriptor is asked for again, at the invite's address."""
    async with stand() as good, TaskSet("test") as tasks:
        good.document = document(entry(nowhere()), issued_s=time.time() - 10)
        async with brokers(good.url) as made:
            await made.load()
            tasks.spawn(made.keep_fresh(), "fresh")
            good.document = document(entry(good.url))
            for _ in range(brokers_module.FAILURES_TO_RELOAD):
                with pytest.raises(BrokerSilent):
                    await ask(made)
            (moved,) = descriptor.verify(good.document, OPERATOR, now_s=time.time()).brokers
            await until(lambda: made.descriptor is not None and moved in made.descriptor.brokers)
            assert (await ask(made)).exit == "exit1"


async def test_an_expired_descriptor_is_not_used() -> None:
    """Nobody is asked any more by what an operator may have withdrawn."""
    async with stand() as good:
        good.document = document(entry(good.url), issued_s=time.time() - 10, life_s=11)
        async with brokers(good.url) as made:
            await made.load()
            expires_s = (await made.load()).expires_s
            await until(lambda: time.time() > expires_s)
            with pytest.raises(BrokerSilent, match="has expired"):
                await ask(made)
            assert good.asked == 0


async def test_a_newer_networks_refusal_is_for_the_person() -> None:
    """The person is told to update, unless another broker still speaks this version."""
    async with stand() as first, stand() as second:
        first.document = document(entry(first.url), entry(second.url))
        first.reply = second.reply = RendezvousReply(refusal=Refusal.VERSION)
        async with brokers(first.url) as made:
            await made.load()
            with pytest.raises(ConfigError, match="Update it, then try again"):
                await ask(made)
            second.reply = RendezvousReply(exit="exit1")
            assert (await ask(made)).exit == "exit1"


async def test_a_descriptor_in_a_file_needs_no_network() -> None:
    """A descriptor from a file is verified as one that was fetched."""
    given = document(entry(nowhere()))
    async with brokers(nowhere(), network=given) as made:
        assert (await made.load()).name == "test"
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(ConfigError, match="not signed by the key in the invite"):
        async with brokers("", invite=Invite(nowhere(), stranger), network=given):
            pass


async def test_a_block_page_is_no_descriptor() -> None:
    """The client goes on trying: what a firewall or a hotspot shows says nothing of the network."""
    async with stand() as here:
        here.document = b"<html>This page is not available in your country.</html>"
        async with brokers(here.url) as made:
            with pytest.raises(BrokerSilent, match="something else answered in its place"):
                await made.load()
            here.document = document(entry(here.url))
            assert (await made.load()).name == "test"


async def test_a_network_without_any_way_says_so() -> None:
    """A broker is not asked whose ways are all of kinds that a later version understands."""
    later = document(BrokerEntry(nowhere(), SEAL_KEY, bytes(32), ({"kind": "pigeon"},)))
    async with brokers(nowhere(), network=later) as made:
        with pytest.raises(BrokerSilent, match="no way to a broker"):
            await ask(made)
