"""Brokers on one bus: whatever kind of bus it is, the same holds."""

# ruff: noqa: ASYNC110  (what is waited for has no event)

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from passerelle.broker import sharing
from passerelle.broker.sharing import judge
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.core.nat.classifier import NatClass
from passerelle.errors import LinkCode
from passerelle.io.server.bus import Bus, connect
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus, tickets
from passerelle.wire.bus import ExitLoad, LinkOutcome, Subjects
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import VolunteerAnswer, VolunteerReady
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import NOW, TICKET_KEY, Scene, description, offer, scene
from tests.rig.nats import NatsServer, nats_server

SUBJECTS = Subjects(TICKET_KEY.public_key())


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@pytest.fixture(params=["local", "nats"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Scene, Scene, Bus]]:
    """Two brokers of one network, and a bus end of the test's own."""
    url = None if request.param == "local" else request.getfixturevalue("server").url
    async with AsyncExitStack() as stack:
        ends = [await connect(url, name="test")]
        ends += ends * 2 if url is None else [await connect(url, name="test") for _ in range(2)]
        for end in ends:
            stack.push_async_callback(end.close)
        here = await stack.enter_async_context(scene(ends[1]))
        there = await stack.enter_async_context(scene(ends[2]))
        yield here, there, ends[0]


async def heard(here: Scene, there: Scene) -> None:
    """Wait until `here` gets an answer from `there`: the subscriptions have followed."""
    volunteer = there.volunteers[-1]
    async with asyncio.timeout(5), TaskSet("test") as tasks:
        while True:
            asking = tasks.start(here.ask(), "ask")
            offered = tasks.start(volunteer.offered(), "offered")
            done, _ = await asyncio.wait({asking, offered}, return_when=asyncio.FIRST_COMPLETED)
            if offered in done:
                break
            offered.cancel()
            assert asking.result().answers == (Miss.NO_VOLUNTEER,)
            await asyncio.sleep(0.05)


async def test_a_volunteer_of_another_broker_takes_an_offer(
    pair: tuple[Scene, Scene, Bus],
) -> None:
    here, there, _ = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    mine = offer()
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(mine, lanes=2), "ask")
        got = await volunteer.offered()
        assert got.description == mine
        asking.cancel()
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(lanes=2), "ask")
        given = await volunteer.answer()
        (answer,) = (await asking).answers
    assert isinstance(answer, Answer)
    assert answer.description == given
    assert len(answer.lane_tickets) == 2


async def test_ones_own_volunteers_come_first(pair: tuple[Scene, Scene, Bus]) -> None:
    here, there, _ = pair
    other = await there.volunteer(free=8)
    await heard(here, there)
    own = await here.volunteer(free=8)
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(), "ask")
        given = await own.answer()
        (answer,) = (await asking).answers
    assert isinstance(answer, Answer)
    assert answer.description == given
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await other.socket.receive()


async def test_where_nobody_is_there_is_nobody(pair: tuple[Scene, Scene, Bus]) -> None:
    here, _, _ = pair
    assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)


async def test_an_avoided_volunteer_of_another_broker_is_not_asked(
    pair: tuple[Scene, Scene, Bus],
) -> None:
    here, there, _ = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(), "ask")
        await volunteer.answer()
        (answer,) = (await asking).answers
    assert isinstance(answer, Answer)
    assert (await here.ask(avoid=(answer.volunteer,))).answers == (Miss.NO_VOLUNTEER,)


async def test_all_brokers_hear_that_a_volunteer_failed(pair: tuple[Scene, Scene, Bus]) -> None:
    here, there, _ = pair
    heard_of: list[bytes] = []

    def note(seeker: ClientProfile, volunteer: bytes) -> None:
        heard_of.append(volunteer)

    there.broker.placement._volunteers.complain = note  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        while not heard_of:
            await here.ask(failed=(b"stranger",))
            await asyncio.sleep(0.05)
    assert set(heard_of) == {b"stranger"}


async def test_an_exits_word_reaches_the_volunteer(pair: tuple[Scene, Scene, Bus]) -> None:
    here, _, end = pair
    volunteer = await here.volunteer(free=8)
    reports: list[LinkExperience] = []

    def note(volunteer: bytes, report: LinkExperience, *, expected: float) -> None:
        reports.append(report)

    here.broker.placement._volunteers.report = note  # type: ignore[method-assign]
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(), "ask")
        offered = await volunteer.offered()
        await volunteer.send(VolunteerAnswer(offered.offer, description(Setup.ACTIVE)))
        await asking
    keys = (TICKET_KEY.public_key(),)
    ticket = tickets.verify(
        offered.ticket, keys, kind=TicketKind.LINK, exit_id=offered.exit, now_s=NOW
    )
    async with asyncio.timeout(5):
        while not reports:
            end.publish(SUBJECTS.link, bus.encode(outcome(ticket.id)))
            end.publish(SUBJECTS.link, b"garbage")
            await asyncio.sleep(0.05)
    assert reports[0].ending is LinkEnding.CLEAN
    assert reports[0].bytes == 3


async def test_exits_that_announce_themselves_are_chosen(pair: tuple[Scene, Scene, Bus]) -> None:
    here, _, end = pair
    async with asyncio.timeout(5):
        while (await stats(here))["people"] == 0:
            # As exits do, again and again: a subscription may not have reached the server yet.
            end.publish(SUBJECTS.exit, bus.encode(ExitLoad("two", 5, 5, 100)))
            await asyncio.sleep(0.05)
    for _ in range(8):
        assert (await here.ask()).exit == "two"


async def stats(here: Scene) -> dict[str, object]:
    async with here.http.get(here.url + "/v1/stats") as response:
        made: dict[str, object] = await response.json()
        return made


async def test_public_numbers_are_of_all_brokers_and_rounded_up(
    pair: tuple[Scene, Scene, Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, _ = pair
    for _ in range(5):
        await here.volunteer()
    for _ in range(5):
        await there.volunteer()
    async with asyncio.timeout(sharing.COUNT_S * 3):
        while (await stats(here))["volunteers"] != 16:
            await asyncio.sleep(0.1)
    assert await stats(here) == {
        "people": 0,
        "volunteers": 16,
        "available": 16,
        "countries": {},
    }


async def test_garbage_for_an_answer_is_no_volunteer(pair: tuple[Scene, Scene, Bus]) -> None:
    here, _, end = pair

    async def garble(_: bytes) -> bytes:
        return b"garbage"

    await end.subscribe(SUBJECTS.place(NatClass.UNKNOWN), garble, group="brokers")
    await asyncio.sleep(0.05)
    assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)


async def test_a_bus_that_goes_away_takes_nothing_with_it() -> None:
    """NATS restarted in the midst of requests: one's own volunteers go on, the others come back."""
    with nats_server() as server:
        one, other = await connect(server.url, name="one"), await connect(server.url, name="other")
        async with scene(one) as here, scene(other) as there:
            remote = await there.volunteer(free=8)
            await heard(here, there)
            own = await here.volunteer(free=8)
            server.stop()
            async with TaskSet("test") as tasks:
                for _ in range(4):
                    asking = tasks.start(here.ask(), "ask")
                    given = await own.answer()
                    (answer,) = (await asking).answers
                    assert isinstance(answer, Answer)
                    assert answer.description == given
            await own.send(VolunteerReady(0))
            server.start()
            assert remote is there.volunteers[-1]
            await heard(here, there)
        await one.close()
        await other.close()


def outcome(
    ticket_id: bytes = bytes(16), *, joined: bool = True, reason: LinkCode = LinkCode.NORMAL
) -> LinkOutcome:
    return LinkOutcome("one", ticket_id, joined, 1, 2, 3.0, 4.0, 0.1, reason)


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (outcome(), LinkEnding.CLEAN),
        (outcome(reason=LinkCode.DRAINING), LinkEnding.CLEAN),
        (outcome(reason=LinkCode.TRANSPORT), LinkEnding.LOST),
        (outcome(reason=LinkCode.TIMEOUT), LinkEnding.LOST),
        (outcome(reason=LinkCode.MALFORMED), LinkEnding.BROKEN),
        (outcome(joined=False), LinkEnding.UNUSED),
    ],
)
def test_what_an_exit_says_of_a_link_is_judged(said: LinkOutcome, ending: LinkEnding) -> None:
    assert judge(said).ending is ending
