"""Brokers on one bus: whatever kind of bus it is, the same holds."""

# ruff: noqa: ASYNC110  (what is waited for has no event)

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from passerelle.broker.cluster import COUNT_S
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.nat.classifier import NatClass
from passerelle.core.origin import IPV4
from passerelle.errors import LinkCode
from passerelle.io.server.bus import Bus, connect
from passerelle.io.tasks import TaskSet
from passerelle.wire import tickets
from passerelle.wire.bus import ExitLoad, LinkOutcome, Subjects
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import (
    BrokerFriendReply,
    BrokerOffer,
    VolunteerAnswer,
    VolunteerFamily,
    VolunteerFriend,
    VolunteerReady,
)
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import (
    NOW,
    TICKET_KEY,
    Scene,
    Volunteer,
    description,
    exit_word,
    offer,
    scene,
)
from tests.broker.test_limits import LOOPBACK, ask_from, serving
from tests.broker.test_placement import fail_a_while_ago
from tests.rig.nats import NatsServer, bus_ends, nats_server

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
        ends = await stack.enter_async_context(bus_ends(url, 3))
        here = await stack.enter_async_context(scene(ends[1], trusted_proxies=LOOPBACK))
        there = await stack.enter_async_context(scene(ends[2], trusted_proxies=LOOPBACK))
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


async def test_a_familys_volunteer_is_found_at_another_broker(
    pair: tuple[Scene, Scene, Bus],
) -> None:
    """It is asked before this broker's own volunteers, and by nobody else."""
    here, there, _ = pair
    own, friend = await here.volunteer(free=8), await there.volunteer(free=0)
    await friend.send(VolunteerFamily(b"t" * 16))
    await friend.send(VolunteerReady(8))
    async with asyncio.timeout(5), TaskSet("test") as tasks:
        found = tasks.start(friend.answer(), "friend")
        tasks.spawn(answering(own), "own")
        while not found.done():
            assert isinstance((await here.ask()).answers[0], Answer)
            (answer,) = (await here.ask(family=b"t" * 16)).answers
            assert isinstance(answer, Answer)
            assert answer.family == found.done()
            last = answer.description
            await own.send(VolunteerReady(8))
            await asyncio.sleep(0.05)
        assert last == found.result()


async def answering(volunteer: Volunteer) -> None:
    """Answer every offer."""
    while True:
        await volunteer.answer()


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
    """The volunteer's own broker gives it to that client's network no more, and to others still."""
    here, there, _ = pair
    async with serving(there, 1, free=64), asyncio.timeout(10):
        while (found := await found_from(here, "93.184.216.1")) is None:
            await asyncio.sleep(0.05)
        await ask_from(here, "93.184.216.1", failed=(found,))
        while await found_from(here, "93.184.216.1") is not None:
            await asyncio.sleep(0.05)
        assert await found_from(here, "93.184.217.1") == found


async def test_a_last_resort_may_be_a_volunteer_of_another_broker(
    pair: tuple[Scene, Scene, Bus],
) -> None:
    here, there, _ = pair
    async with serving(there, 1, free=64), asyncio.timeout(10):
        while (found := await found_from(here, "93.184.216.1")) is None:
            await asyncio.sleep(0.05)
        fail_a_while_ago(there, ClientProfile(key=IPV4 + bytes((93, 184, 216))))
        assert await found_from(here, "93.184.216.1") == found


async def found_from(here: Scene, address: str) -> bytes | None:
    """The volunteer that a client at `address` gets."""
    reply = await ask_from(here, address)
    assert reply is not None
    (answer,) = reply.answers
    return answer.volunteer if isinstance(answer, Answer) else None


async def test_an_exits_word_reaches_the_volunteer(pair: tuple[Scene, Scene, Bus]) -> None:
    """One whose links came out broken is asked less than another one."""
    here, _, end = pair
    bad = await here.volunteer(free=64)
    broken = []
    async with TaskSet("test") as tasks:
        for _ in range(3):
            asking = tasks.start(here.ask(), "ask")
            offered = await bad.offered()
            await bad.send(VolunteerAnswer(offered.offer, description(Setup.ACTIVE)))
            await asking
            broken.append(exit_word(broken_link(offered)))
    async with asyncio.timeout(5):
        while (await stats(here))["people"] == 0:
            end.publish(SUBJECTS.link, b"garbage")
            for outcome in broken:
                end.publish(*outcome)
            # Once this is heard, what was said before it is heard too.
            end.publish(*exit_word(ExitLoad("two", NOW, 5, 5, 100)))
            await asyncio.sleep(0.05)
    good = await here.volunteer(free=64)
    async with TaskSet("test") as tasks:
        for _ in range(4):
            asking = tasks.start(here.ask(), "ask")
            await good.answer()
            await asking
    await bad.send(VolunteerFriend(1, b""))
    assert isinstance(await bad.receive(), BrokerFriendReply), "an offer would have come first"


def broken_link(offered: BrokerOffer) -> LinkOutcome:
    """What an exit says of the link that was opened with an offer's ticket."""
    keys = (TICKET_KEY.public_key(),)
    ticket = tickets.verify(
        offered.ticket, keys, kind=TicketKind.LINK, exit_id=offered.exit, now_s=NOW
    )
    return LinkOutcome(offered.exit, ticket.id, True, 1, 2, 3.0, 4.0, 0.1, LinkCode.MALFORMED)


async def test_exits_that_announce_themselves_are_chosen(pair: tuple[Scene, Scene, Bus]) -> None:
    here, _, end = pair
    async with asyncio.timeout(5):
        while (await stats(here))["people"] == 0:
            # As exits do, again and again: a subscription may not have reached the server yet.
            end.publish(*exit_word(ExitLoad("two", NOW, 5, 5, 100)))
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
    async with asyncio.timeout(COUNT_S * 3):
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
