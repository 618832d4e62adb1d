import asyncio
from dataclasses import replace

import msgspec
import pytest

from passerelle import serverlimits
from passerelle.broker.placement import VolunteerRequest
from passerelle.core.matching.peers import ClientProfile, PeerLocation
from passerelle.core.matching.pool import Outcome
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.errors import PeerError
from passerelle.io.tasks import TaskSet
from passerelle.wire import tickets
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import VolunteerAnswer, VolunteerReady
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import NETWORK, NOW, TICKET_KEY, Scene, description, offer, scene


def wanted(number: int = 0) -> VolunteerRequest:
    client = ClientProfile(key=bytes((number,)) * 3)
    return VolunteerRequest(exit_id="one", offer=offer(), client=client, lanes=1)


def soon(seconds: float = 60) -> float:
    return asyncio.get_running_loop().time() + seconds


def fail_a_while_ago(here: Scene, client: ClientProfile) -> None:
    """Let the only volunteer of `here` have declined an offer of `client`, and have rested."""
    pool = here.broker.volunteers.pool
    now = asyncio.get_running_loop().time()
    pick = pool.pick(client, (), now, seed=1)
    assert pick is not None
    pool.settle(pick, Outcome.DECLINED, now - serverlimits.LAST_RESORT_REST_S)


async def until_waiting(here: Scene, count: int) -> None:
    while here.broker.volunteers.waiting != count:  # noqa: ASYNC110 (there is no event)
        await asyncio.sleep(0)


async def test_an_offer_of_whomever_finds_one_of_our_volunteers() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        mine = wanted()
        placing = tasks.start(here.broker.placement.place(mine, set(), soon()), "place")
        got = await volunteer.offered()
        assert got.description == mine.offer
        theirs = description(Setup.ACTIVE)
        await volunteer.send(VolunteerAnswer(got.offer, theirs))
        answer = await placing
        assert isinstance(answer, Answer)
        assert answer.description == theirs
        assert len(answer.lane_tickets) == 1


async def test_links_wanted_with_one_set_get_distinct_volunteers() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteers = [await here.volunteer(free=4) for _ in range(3)]
        asked: set[bytes] = set()
        placing = [
            tasks.start(here.broker.placement.place(wanted(), asked, soon()), "place")
            for _ in range(3)
        ]
        for volunteer in volunteers:
            await volunteer.answer()
        answers = [await each for each in placing]
        assert {a.volunteer for a in answers if isinstance(a, Answer)} == asked
        assert len(asked) == 3


@pytest.mark.parametrize("wait", [False, True])
async def test_whatever_brought_an_offer_it_is_judged(wait: bool) -> None:
    """Its exit and its DTLS role, here and not where it came from; no volunteer hears of it."""
    async with scene() as here:
        await here.volunteer()
        placement = here.broker.placement
        place = placement.wait if wait else placement.place
        strange = (
            replace(wanted(), exit_id="three"),
            replace(wanted(), offer=description(Setup.PASSIVE)),
            replace(wanted(), offer=description(Setup.ACTIVE)),
        )
        for each in strange:
            with pytest.raises(PeerError):
                await place(each, set(), soon())
        assert here.broker.volunteers.pool.available == 1


async def test_whatever_brought_an_offer_its_candidates_are_vetted() -> None:
    """A volunteer gets those of the client's own network only, and no private ones."""
    network = msgspec.structs.replace(NETWORK, private_candidates=False)
    async with scene(descriptor=network) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        client = ClientProfile(key=b"key", location=PeerLocation(site=bytes((8, 8, 8))))
        named = description(Setup.ACTPASS, "8.8.8.8", "9.9.9.9", "10.0.0.1")
        mine = replace(wanted(), client=client, offer=named)
        tasks.spawn(here.broker.placement.place(mine, set(), soon()), "place")
        got = await volunteer.offered()
        assert [each.ip for each in got.description.candidates] == ["8.8.8.8"]


async def test_no_time_left_asks_nobody() -> None:
    async with scene() as here:
        await here.volunteer()
        placed = await here.broker.placement.place(wanted(), set(), soon(-1))
        assert placed is Miss.NO_VOLUNTEER


async def test_who_waits_is_served_when_a_volunteer_comes_or_gets_a_slot() -> None:
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        full = await here.volunteer(free=0)
        waiting = [
            tasks.start(here.broker.placement.wait(wanted(n), set(), soon()), "wait")
            for n in range(2)
        ]
        await until_waiting(here, 2)
        await full.send(VolunteerReady(1))
        await full.answer()
        assert isinstance(await waiting[0], Answer), "who waited longest comes first"
        await until_waiting(here, 1)
        await (await here.volunteer()).answer()
        assert isinstance(await waiting[1], Answer)


async def test_who_is_not_suited_does_not_hold_up_others() -> None:
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        volunteer = await here.volunteer()
        placing = tasks.start(here.broker.placement.place(wanted(), set(), soon()), "place")
        await volunteer.answer()
        found = await placing
        assert isinstance(found, Answer)
        avoiding = [
            tasks.start(
                here.broker.placement.wait(wanted(n), {found.volunteer}, soon()), f"avoiding{n}"
            )
            for n in range(12)
        ]
        await until_waiting(here, 12)
        other = tasks.start(here.broker.placement.wait(wanted(99), set(), soon()), "other")
        await until_waiting(here, 13)
        # The first looks at some who avoid it, and puts them behind; so does the second.
        await volunteer.send(VolunteerReady(1))
        await volunteer.send(VolunteerReady(1))
        await volunteer.answer()
        assert isinstance(await other, Answer)
        for task in avoiding:
            task.cancel()


async def test_who_waits_gets_whoever_failed_it_where_nobody_else_is() -> None:
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        volunteer = await here.volunteer(free=2)
        mine = wanted()
        fail_a_while_ago(here, mine.client)
        placement = here.broker.placement
        assert await placement.place(mine, set(), soon()) is Miss.NO_VOLUNTEER
        assert await placement.wait(mine, set(), soon(-1)) is Miss.NO_VOLUNTEER, "it has no time"
        asked: set[bytes] = set()
        waiting = tasks.start(placement.wait(mine, asked, soon()), "wait")
        await volunteer.answer()
        answer = await waiting
        assert isinstance(answer, Answer)
        assert asked == {answer.volunteer}


async def test_waiting_has_an_end() -> None:
    async with scene(wait_s=0.01) as here, asyncio.timeout(5):
        placement = here.broker.placement
        assert await placement.wait(wanted(), set(), soon()) is Miss.NO_VOLUNTEER
        assert here.broker.volunteers.waiting == 0


async def test_a_limited_number_waits_and_of_one_network_fewer() -> None:
    async with (
        scene(wait_s=600, waiting=4, waiting_of_network=2) as here,
        TaskSet("test") as tasks,
        asyncio.timeout(5),
    ):
        placement = here.broker.placement
        first = [tasks.start(placement.wait(wanted(1), set(), soon()), "wait") for _ in range(2)]
        await until_waiting(here, 2)
        assert await placement.wait(wanted(1), set(), soon()) is Miss.NO_VOLUNTEER
        for number in (2, 3):
            tasks.spawn(placement.wait(wanted(number), set(), soon()), "wait")
        await until_waiting(here, 4)
        tasks.spawn(placement.wait(wanted(4), set(), soon()), "wait")
        assert await first[1] is Miss.NO_VOLUNTEER, "its network had most"
        assert await placement.wait(wanted(1), set(), soon()) is Miss.NO_VOLUNTEER
        first[0].cancel()
        await until_waiting(here, 3)
        tasks.spawn(placement.wait(wanted(1), set(), soon()), "wait")
        await until_waiting(here, 4)


async def test_a_slot_picked_for_one_who_just_gave_up_is_put_back() -> None:
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        placement = here.broker.placement
        waiting = tasks.start(placement.wait(wanted(), set(), soon()), "wait")
        await until_waiting(here, 1)
        connecting = tasks.start(here.volunteer(), "volunteer")
        await until_waiting(here, 0)
        waiting.cancel()
        volunteer = await connecting
        while (await here.health())["available"] == 0:
            pass
        placing = tasks.start(placement.place(wanted(), set(), soon()), "place")
        await volunteer.answer()
        assert isinstance(await placing, Answer)


async def test_a_slot_freed_while_a_waiting_offer_gives_up_goes_to_the_next_offer() -> None:
    """Both happen in one turn of the event loop, before the task that gave up has run again."""
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        placement = here.broker.placement
        volunteer = await here.volunteer()
        asking = tasks.start(placement.place(wanted(1), set(), soon()), "asking")
        await volunteer.offered()
        giving_up = tasks.start(placement.wait(wanted(2), set(), soon()), "giving up")
        await until_waiting(here, 1)
        waiting = tasks.start(placement.wait(wanted(3), set(), soon()), "waiting")
        await until_waiting(here, 2)
        # The slot's task resumes first and frees the slot; then the one that gave up resumes.
        asking.cancel()
        giving_up.cancel()
        await volunteer.answer()
        assert isinstance(await waiting, Answer)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_request_waits_for_a_first_volunteer_only_if_it_gets_none() -> None:
    async with scene(wait_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        asking = tasks.start(here.ask(offer(), offer()), "ask")
        await until_waiting(here, 1)
        await (await here.volunteer()).answer()
        answers = (await asking).answers
        assert isinstance(answers[0], Answer)
        assert answers[1] is Miss.NO_VOLUNTEER
        asking = tasks.start(here.ask(offer(), offer()), "ask")
        await (await here.volunteer()).answer()
        answers = (await asking).answers
        assert Miss.NO_VOLUNTEER in answers, "and so it was not waited for a second one"


async def test_an_exits_word_reaches_the_volunteer_by_its_ticket_once() -> None:
    async with scene() as here, TaskSet("test") as tasks, asyncio.timeout(10):
        placement = here.broker.placement
        bad = await here.volunteer(free=64)
        placing = tasks.start(placement.place(wanted(), set(), soon()), "place")
        got = await bad.offered()
        await bad.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))
        await placing
        keys = (TICKET_KEY.public_key(),)
        link = tickets.verify(got.ticket, keys, kind=TicketKind.LINK, exit_id="one", now_s=NOW)
        good_word = LinkExperience(ending=LinkEnding.CLEAN)
        assert placement.exit_of(link.id) == "one"
        placement.report(link.id, "two", good_word)
        placement.report(link.id, "one", LinkExperience(ending=LinkEnding.BROKEN))
        for _ in range(9):
            placement.report(link.id, "one", good_word)
        placement.report(bytes(16), "one", good_word)
        assert placement.exit_of(link.id) is None
        good = await here.volunteer(free=64)
        for number in range(3):
            placing = tasks.start(placement.place(wanted(number), set(), soon()), "place")
            await good.answer()
            assert isinstance(await placing, Answer)


async def test_lanes_that_may_be_reported_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for lanes again and again has the oldest of them forgotten."""
    monkeypatch.setattr(serverlimits, "LANES_REPORTED", 5)
    async with scene() as here:
        volunteer = await here.volunteer(free=8)
        for _ in range(4):
            async with TaskSet("test") as tasks:
                asking = tasks.start(here.ask(lanes=3), "ask")
                await volunteer.answer()
                (answer,) = (await asking).answers
            assert isinstance(answer, Answer)
            assert len(answer.lane_tickets) == 3
        assert len(here.broker.placement._lanes_by_ticket) == 5
