import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle import limits, serverlimits
from passerelle.errors import LinkCode
from passerelle.io.tasks import TaskSet
from passerelle.wire import signalling, tickets
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import (
    BrokerPong,
    BrokerWelcome,
    Bye,
    Decline,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerHello,
    VolunteerPing,
    VolunteerReady,
)
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import EXITS, NOW, TICKET_KEY, description, scene

HELLO = signalling.encode(VolunteerHello(1, "test", 1))
MALFORMED = 4000 + LinkCode.MALFORMED
UNEXPECTED = 4000 + LinkCode.UNEXPECTED
LIMIT = 4000 + LinkCode.LIMIT


def answer_json(**changes: Any) -> str:
    text = signalling.encode(VolunteerAnswer(0, description(Setup.ACTIVE)))
    message = json.loads(text)
    message["description"].update(changes)
    return json.dumps(message)


GARBAGE = [
    "",
    "null",
    "[]",
    "{}",
    "0",
    '"hello"',
    "{" * 4000,
    "[" * 8000,
    '{"type":1,"sdp":{}}',
    '{"type":null}',
    '{"type":"offer"}',
    '{"type":"welcome","version":1}',
    '{"type":"ready"}',
    '{"type":"ready","free":-1}',
    '{"type":"ready","free":65}',
    '{"type":"ready","free":1e99}',
    '{"type":"ready","free":"1"}',
    '{"type":"ready","free":1,"more":2}',
    '{"type":"ready","free":1}}',
    '{"type":"decline","offer":0,"reason":"bored"}',
    '{"type":"answer","offer":0,"description":{}}',
    '{"type":"answer","offer":99999999999,"description":null}',
    answer_json(setup="actpass"),
    answer_json(setup="passive"),
    answer_json(ufrag="x\r\na=candidate:1"),
    answer_json(pwd="short"),
    answer_json(fingerprint="AAAA"),
    answer_json(candidates=[["host", "victim.example", 53]]),
    answer_json(candidates=[["host", "192.0.2.1", 0]]),
    answer_json(candidates=[["host", "192.0.2.1", 1]] * 9),
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("before_hello", [True, False])
async def test_garbage_ends_one_volunteer_and_no_other(text: str, before_hello: bool) -> None:
    async with scene() as here, TaskSet("test") as tasks:
        other = await here.volunteer()
        bad = await (here.connect() if before_hello else here.volunteer())
        await bad.socket.send_str(text)
        bye, code = await bad.dismissed()
        assert bye is not None
        assert bye.reason is Bye.MALFORMED
        assert bye.retry_after_s is None, "it would only do it again"
        assert code == MALFORMED or (before_hello and code == UNEXPECTED)
        asking = tasks.start(here.ask(), "ask")
        await other.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_binary_messages_are_malformed() -> None:
    async with scene() as here:
        volunteer = await here.connect()
        await volunteer.socket.send_bytes(HELLO.encode())
        _, code = await volunteer.dismissed()
        assert code == MALFORMED


@settings(max_examples=15)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=10))
def test_no_message_harms_the_broker(texts: list[str]) -> None:
    async def send_all() -> None:
        async with scene() as here:
            for text in texts:
                volunteer = await here.volunteer()
                await volunteer.socket.send_str(text)
                bye, _ = await volunteer.dismissed()
                assert bye is not None
            assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)

    asyncio.run(send_all())


async def test_a_message_too_large_is_not_taken_in() -> None:
    async with scene() as here:
        volunteer = await here.volunteer()
        await volunteer.socket.send_str("x" * (limits.SIGNAL_MESSAGE_BYTES + 1))
        _, code = await volunteer.dismissed()
        assert code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("version", [0, 2, 65_535])
async def test_another_version_is_told_so_for_good(version: int) -> None:
    async with scene() as here:
        volunteer = await here.connect()
        await volunteer.send(VolunteerHello(version, "test", 1))
        bye, code = await volunteer.dismissed()
        assert bye is not None
        assert bye.reason is Bye.VERSION
        assert bye.retry_after_s is None
        assert code == 4000 + LinkCode.VERSION


async def test_two_hellos_are_one_too_many() -> None:
    async with scene() as here:
        volunteer = await here.volunteer()
        await volunteer.socket.send_str(HELLO)
        _, code = await volunteer.dismissed()
        assert code == UNEXPECTED


async def test_the_first_message_must_be_a_hello() -> None:
    async with scene() as here:
        volunteer = await here.connect()
        await volunteer.send(VolunteerReady(1))
        _, code = await volunteer.dismissed()
        assert code == UNEXPECTED


async def test_a_volunteer_that_says_nothing_is_closed_without_a_bye() -> None:
    """A bye without a time would keep a slow network away for good."""
    async with scene(hello_timeout_s=0.05) as here:
        volunteer = await here.connect()
        assert await volunteer.dismissed() == (None, 4000 + LinkCode.TIMEOUT)


@pytest.mark.parametrize(
    "message",
    [VolunteerAnswer(0, description(Setup.ACTIVE)), VolunteerDecline(0, Decline.BUSY)],
    ids=["answer", "decline"],
)
async def test_an_answer_to_an_offer_never_made_ends_the_volunteer(
    message: VolunteerAnswer | VolunteerDecline,
) -> None:
    async with scene() as here:
        volunteer = await here.volunteer()
        await volunteer.send(message)
        _, code = await volunteer.dismissed()
        assert code == UNEXPECTED


async def test_one_volunteer_cannot_answer_for_another() -> None:
    async with scene(patience_s=0.2, answer_timeout_s=0.2) as here, TaskSet("test") as tasks:
        asked, thief = await here.volunteer(), await here.volunteer(free=0)
        asking = tasks.start(here.ask(), "ask")
        got = await asked.offered()
        await thief.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))
        _, code = await thief.dismissed()
        assert code == UNEXPECTED
        theirs = description(Setup.ACTIVE)
        await asked.send(VolunteerAnswer(got.offer, theirs))
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        assert answer.description == theirs


async def test_an_answer_in_the_wrong_role_is_not_passed_on() -> None:
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        got = await volunteer.offered()
        await volunteer.send(VolunteerAnswer(got.offer, description(Setup.PASSIVE)))
        assert (await asking).answers == (Miss.NO_ANSWER,)
        _, code = await volunteer.dismissed()
        assert code == MALFORMED


async def test_a_second_answer_changes_nothing() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=2)
        asking = tasks.start(here.ask(), "ask")
        got = await volunteer.offered()
        first, second = description(Setup.ACTIVE), description(Setup.ACTIVE)
        await volunteer.send(VolunteerAnswer(got.offer, first))
        await volunteer.send(VolunteerAnswer(got.offer, second))
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        assert answer.description == first
        asking = tasks.start(here.ask(), "ask")
        await volunteer.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_a_ready_right_behind_an_answer_counts() -> None:
    """Sent in one go, they are obeyed in their order: the slot is free again."""
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=1)
        for _ in range(20):
            asking = tasks.start(here.ask(), "ask")
            await volunteer.answer()
            await volunteer.send(VolunteerReady(1))
            assert isinstance((await asking).answers[0], Answer)


@pytest.mark.parametrize("behind", [False, True])
async def test_each_person_takes_one_slot_of_a_switch(behind: bool) -> None:
    """A switch for two people gets two: it says `ready` with an offer, answers, says `ready`."""
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=2)
        for free in (1, 0):
            asking = tasks.start(here.ask(), "ask")
            number = (await volunteer.offered()).offer
            await volunteer.send(VolunteerReady(free))
            await volunteer.send(VolunteerAnswer(number, description(Setup.ACTIVE)))
            if behind:
                await volunteer.send(VolunteerReady(free))
            assert isinstance((await asking).answers[0], Answer)
        assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)


async def test_a_flood_of_messages_ends_its_volunteer() -> None:
    async with scene() as here:
        volunteer = await here.volunteer()
        for _ in range(serverlimits.SIGNAL_BURST + 20):
            await volunteer.send(VolunteerReady(1))
        _, code = await volunteer.dismissed()
        assert code == LIMIT


@pytest.mark.parametrize("kind", ["ping", "pong"])
@pytest.mark.parametrize("after_hello", [True, False])
async def test_a_flood_of_websocket_pings_ends_its_volunteer(
    kind: str, *, after_hello: bool
) -> None:
    async with scene() as here:
        volunteer = await (here.volunteer() if after_hello else here.connect())
        with contextlib.suppress(ConnectionError):
            for _ in range(serverlimits.SIGNAL_BURST + 20):
                await getattr(volunteer.socket, kind)()
        _, code = await volunteer.dismissed()
        assert code == LIMIT


async def test_a_busy_volunteer_is_no_flood() -> None:
    """Answering many offers, with a `ready` each, stays within the allowance."""
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=64)
        for _ in range(serverlimits.SIGNAL_BURST):
            asking = tasks.start(here.ask(), "ask")
            await volunteer.answer()
            await volunteer.send(VolunteerReady(63))
            await volunteer.send(VolunteerReady(64))
            assert isinstance((await asking).answers[0], Answer)


async def test_beyond_capacity_volunteers_are_sent_away_for_a_time() -> None:
    async with scene(volunteers=1, retry_s=(7, 9)) as here:
        first = await here.volunteer()
        second = await here.connect()
        bye, code = await second.dismissed()
        assert bye is not None
        assert bye.reason is Bye.FULL
        assert bye.retry_after_s is not None
        assert 7 <= bye.retry_after_s <= 9
        assert code == LIMIT
        await first.socket.close()
        await here.volunteer()


async def test_pages_of_any_origin_may_connect_and_others_are_told_how() -> None:
    async with scene() as here:
        url = here.url + "/v1/volunteer"
        async with here.http.ws_connect(url, origin="https://news.example"):
            pass
        async with here.http.get(url) as response:
            assert response.status == 400


async def test_a_heartbeat_is_answered() -> None:
    async with scene() as here:
        volunteer = await here.connect()
        await volunteer.send(VolunteerHello(signalling.VERSION, "test", 1))
        welcome = await volunteer.receive()
        assert isinstance(welcome, BrokerWelcome)
        assert (welcome.heartbeat_s, welcome.idle_s) == (2.5, 15)
        for _ in range(3):
            await volunteer.send(VolunteerPing())
            assert isinstance(await volunteer.receive(), BrokerPong)


async def test_many_volunteers_beat_more_slowly() -> None:
    async with scene(heartbeats_per_s=0.5) as here:
        for known in range(4):
            volunteer = await here.connect()
            await volunteer.send(VolunteerHello(signalling.VERSION, "test", 1))
            welcome = await volunteer.receive()
            assert isinstance(welcome, BrokerWelcome)
            assert welcome.heartbeat_s == max(2.5, 2 * known)
            assert welcome.idle_s == 15


async def test_a_volunteer_whose_heartbeat_stops_is_offered_to_nobody() -> None:
    """A switch of an older page has no heartbeat, and stays."""
    changes = {"heartbeat_s": 1, "idle_heartbeat_s": 1, "answer_timeout_s": 600}
    async with scene(**changes) as here, TaskSet("test") as tasks:
        old, new = await here.volunteer(), await here.volunteer()
        await new.send(VolunteerPing())
        assert isinstance(await new.receive(), BrokerPong)
        assert (await new.dismissed())[0] is None
        asking = tasks.start(here.ask(), "ask")
        await old.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_a_volunteer_that_answers_no_ping_vanishes() -> None:
    async with scene(websocket_ping_s=0.05) as here, asyncio.timeout(5):
        url = here.url + "/v1/volunteer"
        async with here.http.ws_connect(url, autoping=False) as socket:
            await socket.send_str(HELLO)
            while (await here.health())["volunteers"] == 0:
                pass
            while (await here.health())["volunteers"] != 0:
                pass


async def test_a_volunteer_that_reads_nothing_delays_nobody() -> None:
    """Its offers time out; the broker still parts from it within the grace time."""
    async with scene(patience_s=0.02, answer_timeout_s=0.04, grace_s=0.1) as here:
        port = int(here.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /v1/volunteer HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        text = HELLO.encode()
        assert len(text) < 126
        writer.write(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
        await reader.readuntil(b"}")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert (await here.ask()).answers == (Miss.NO_ANSWER,)
        async with asyncio.timeout(2):
            await here.broker.close()
        writer.transport.abort()


async def test_a_welcome_has_a_ticket_for_one_test_at_an_exit() -> None:
    """Each is another one, for an exit of the network, and for nothing but a test."""
    async with scene() as here:
        seen = []
        for _ in range(2):
            volunteer = await here.connect()
            await volunteer.send(VolunteerHello(1, "test", 0))
            welcome = await volunteer.receive()
            assert isinstance(welcome, BrokerWelcome)
            assert welcome.test is not None
            seen.append(
                tickets.verify(
                    welcome.test.ticket,
                    (TICKET_KEY.public_key(),),
                    kind=TicketKind.TEST,
                    exit_id=welcome.test.exit,
                    now_s=NOW,
                )
            )
            assert welcome.test.exit in EXITS
        assert seen[0].id != seen[1].id
        assert all(NOW < ticket.expires_s <= NOW + 60 for ticket in seen)
