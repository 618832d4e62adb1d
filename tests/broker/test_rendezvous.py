import asyncio
import logging
from typing import Any

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle import limits
from passerelle.broker.locator import Sender
from passerelle.core.origin import UNKNOWN
from passerelle.errors import PeerError
from passerelle.io.tasks import TaskSet
from passerelle.wire import rendezvous, tickets
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Cipher, Miss, Refusal
from passerelle.wire.signalling import Decline, VolunteerAnswer, VolunteerDecline, VolunteerReady
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import (
    NOW,
    READ,
    TICKET_KEY,
    Scene,
    Volunteer,
    description,
    new_request,
    offer,
    proved,
    scene,
    seal,
)

UNSEEN = Sender(UNKNOWN, None)
KEYS = (TICKET_KEY.public_key(),)


async def test_an_offer_reaches_a_volunteer_and_its_answer_the_client() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        mine = offer()
        asking = tasks.start(here.ask(mine, exit="two"), "ask")
        got = await volunteer.offered()
        assert got.description == mine
        assert got.exit == "two"
        theirs = description(Setup.ACTIVE)
        await volunteer.send(VolunteerAnswer(got.offer, theirs))
        reply = await asking

    (answer,) = reply.answers
    assert isinstance(answer, Answer)
    assert answer.description == theirs
    assert reply.exit == "two"
    assert reply.refusal is None
    link = tickets.verify(got.ticket, KEYS, kind=TicketKind.LINK, exit_id="two", now_s=NOW)
    assert link.expires_s == NOW + 60
    mine_ticket = tickets.verify(
        reply.ticket, KEYS, kind=TicketKind.CLIENT, exit_id="two", now_s=NOW
    )
    assert mine_ticket.expires_s == NOW + 3600
    assert link.id != mine_ticket.id


async def test_a_reading_page_gets_links_to_a_gateway() -> None:
    """The volunteer is asked as for any link; the ticket tells the exit. Where the exit has no
    gateway, nobody is asked."""
    wanted: dict[str, Any] = {"gateway": True, "cipher": Cipher.AES_128_GCM}
    async with scene(descriptor=READ) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        refused = await here.ask(exit="two", **wanted)
        assert refused.refusal is Refusal.UNKNOWN_EXIT
        asking = tasks.start(here.ask(exit="one", **wanted), "ask")
        got = await volunteer.offered()
        tickets.verify(got.ticket, KEYS, kind=TicketKind.GATEWAY, exit_id="one", now_s=NOW)
        await volunteer.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))
        assert isinstance((await asking).answers[0], Answer)


async def test_a_reading_page_that_needs_no_volunteer_gets_a_ticket() -> None:
    """One without WebRTC goes through a door."""
    async with scene(descriptor=READ) as here:
        await here.volunteer()
        request, key = new_request(exit="one", gateway=True, cipher=Cipher.AES_128_GCM)
        request = msgspec.structs.replace(request, offers=())
        _, sealed = await here.post(seal(request))
        reply = rendezvous.open_reply(sealed, key, request)
        assert reply.answers == ()
        tickets.verify(reply.ticket, KEYS, kind=TicketKind.CLIENT, exit_id="one", now_s=NOW)


async def test_a_client_gets_a_ticket_ahead_of_volunteers() -> None:
    """It opens a link through a door where nobody is reached; no volunteer is waited for."""
    async with scene(answer_timeout_s=600) as here:
        request, key = new_request(exit="two")
        request = msgspec.structs.replace(request, offers=())
        _, sealed = await here.post(seal(request))
        reply = rendezvous.open_reply(sealed, key, request)
        assert reply.answers == ()
        tickets.verify(reply.ticket, KEYS, kind=TicketKind.CLIENT, exit_id="two", now_s=NOW)


async def test_when_the_client_names_none_the_broker_chooses_the_exit() -> None:
    async with scene() as here:
        chosen = {(await here.ask()).exit for _ in range(50)}
        assert chosen == {"one", "two"}


async def test_several_offers_go_to_distinct_volunteers_in_order() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteers = [await here.volunteer(free=4) for _ in range(3)]
        offers = [offer() for _ in range(4)]
        asking = tasks.start(here.ask(*offers), "ask")
        given = {}
        got_tickets = set()
        for volunteer in reversed(volunteers):
            got = await volunteer.offered()
            got_tickets.add(got.ticket)
            given[offers.index(got.description)] = theirs = description(Setup.ACTIVE)
            await volunteer.send(VolunteerAnswer(got.offer, theirs))
        reply = await asking
    assert len(got_tickets) == 3, "each offer has a ticket of its own"
    assert reply.answers[3] is Miss.NO_VOLUNTEER
    answers = [answer for answer in reply.answers if isinstance(answer, Answer)]
    assert [answer.description for answer in answers] == [given[i] for i in range(3)]
    assert len({answer.volunteer for answer in answers}) == 3


async def test_a_volunteer_to_avoid_is_not_asked() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=2)
        asking = tasks.start(here.ask(), "ask")
        await volunteer.answer()
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        reply = await here.ask(avoid=(answer.volunteer,))
        assert reply.answers == (Miss.NO_VOLUNTEER,)


async def test_an_answer_brings_as_many_lane_tickets_as_were_asked_for() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        asking = tasks.start(here.ask(exit="one", lanes=2), "ask")
        await volunteer.answer()
        (answer,) = (await asking).answers
    assert isinstance(answer, Answer)
    lanes = [
        tickets.verify(text, KEYS, kind=TicketKind.LINK, exit_id="one", now_s=NOW)
        for text in answer.lane_tickets
    ]
    assert len({ticket.id for ticket in lanes}) == 2
    assert {ticket.expires_s for ticket in lanes} == {NOW + 300}


async def test_nobody_waiting_is_said_at_once() -> None:
    async with scene(answer_timeout_s=600) as here, asyncio.timeout(5):
        assert (await here.ask(offer(), offer())).answers == (Miss.NO_VOLUNTEER,) * 2
        await here.volunteer(free=0)
        assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)


async def test_a_declined_offer_goes_to_one_other_volunteer() -> None:
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        first, second = await here.volunteer(), await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        one = await first.offered()
        await first.send(VolunteerDecline(one.offer, Decline.UNSUPPORTED))
        two = await second.offered()
        assert two.description == one.description
        assert two.ticket != one.ticket
        theirs = description(Setup.ACTIVE)
        await second.send(VolunteerAnswer(two.offer, theirs))
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        assert answer.description == theirs


async def test_after_two_refusals_it_is_a_miss() -> None:
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        declined = []

        async def decline(volunteer: Volunteer) -> None:
            got = await volunteer.offered()
            declined.append(got.offer)
            await volunteer.send(VolunteerDecline(got.offer, Decline.FAILED))

        declining = [tasks.start(decline(await here.volunteer()), "decline") for _ in range(3)]
        assert (await here.ask()).answers == (Miss.NO_ANSWER,)
        assert len(declined) == 2
        for task in declining:
            task.cancel()


async def test_a_busy_volunteer_is_not_asked_again_until_it_is_ready() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer(free=5)
        asking = tasks.start(here.ask(), "ask")
        got = await volunteer.offered()
        await volunteer.send(VolunteerDecline(got.offer, Decline.BUSY))
        assert (await asking).answers == (Miss.NO_ANSWER,)
        assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)
        await volunteer.send(VolunteerReady(1))
        asking = tasks.start(here.ask(), "ask")
        await volunteer.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_a_silent_volunteer_is_given_up_for_another() -> None:
    async with scene(patience_s=0.05, answer_timeout_s=600) as here, TaskSet("test") as tasks:
        silent, other = await here.volunteer(), await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        late = await silent.offered()
        theirs = await other.answer()
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        assert answer.description == theirs
        # An answer too late is no offence: the silent one stays, and may still be asked.
        await silent.send(VolunteerAnswer(late.offer, description(Setup.ACTIVE)))
        asking = tasks.start(here.ask(), "ask")
        await silent.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_a_slow_volunteer_may_still_answer_while_another_is_asked() -> None:
    """The first answer is taken."""
    async with (
        scene(hedge_s=0.05, patience_s=600, answer_timeout_s=600) as here,
        TaskSet("test") as tasks,
    ):
        slow, other = await here.volunteer(), await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        late = await slow.offered()
        await other.offered()
        theirs = description(Setup.ACTIVE)
        await slow.send(VolunteerAnswer(late.offer, theirs))
        (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        assert answer.description == theirs


async def test_a_volunteer_whose_network_is_gone_costs_one_reader_a_moment() -> None:
    """Another one is asked beside it, and before it the next time."""
    async with (
        scene(hedge_s=0.05, patience_s=600, answer_timeout_s=600) as here,
        TaskSet("test") as tasks,
    ):
        gone, other = await here.volunteer(free=4), await here.volunteer(free=4)
        asking = tasks.start(here.ask(), "ask")
        await gone.offered()
        await other.answer()
        assert isinstance((await asking).answers[0], Answer)
        for _ in range(3):
            asking = tasks.start(here.ask(), "ask")
            await other.answer()
            assert isinstance((await asking).answers[0], Answer)


async def test_the_reply_comes_in_time_whatever_volunteers_do() -> None:
    async with scene(answer_timeout_s=0.1, patience_s=0.05) as here, asyncio.timeout(5):
        for _ in range(3):
            await here.volunteer()
        reply = await here.ask(offer(), offer())
        assert reply.answers == (Miss.NO_ANSWER,) * 2
        assert reply.ticket


async def test_a_volunteer_that_leaves_with_an_offer_is_replaced_at_once() -> None:
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks, asyncio.timeout(5):
        first, second = await here.volunteer(), await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        await first.offered()
        await first.socket.close()
        await second.answer()
        assert isinstance((await asking).answers[0], Answer)


async def test_a_client_that_goes_away_withdraws_its_offers() -> None:
    """The volunteer's slot is free again, long before the offer would have timed out."""
    async with scene(patience_s=600, answer_timeout_s=600) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        await volunteer.offered()
        assert (await here.health())["available"] == 0
        asking.cancel()
        async with asyncio.timeout(5):
            while (await here.health())["available"] == 0:
                pass
            asking = tasks.start(here.ask(), "ask")
            await volunteer.answer()
            assert isinstance((await asking).answers[0], Answer)


async def test_an_unknown_exit_is_refused() -> None:
    async with scene() as here:
        await here.volunteer()
        reply = await here.ask(exit="three")
        assert reply.refusal is Refusal.UNKNOWN_EXIT
        assert reply.answers == ()


async def test_another_version_is_refused() -> None:
    async with scene() as here:
        assert (await here.ask(version=2)).refusal is Refusal.VERSION


async def test_too_many_offers_at_once_are_refused_as_busy() -> None:
    async with (
        scene(pending_offers=2, patience_s=600, answer_timeout_s=600) as here,
        TaskSet("test") as tasks,
    ):
        volunteer = await here.volunteer(free=3)
        asking = tasks.start(here.ask(offer(), offer()), "ask")
        got = await volunteer.offered()
        reply = await here.ask()
        assert reply.refusal is Refusal.BUSY
        assert reply.retry_after_s > 0
        await volunteer.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))
        await asking
        await volunteer.socket.close()
        assert (await here.ask()).refusal is None


# --- requests that cannot be used: one uniform answer ---------------------------------------------

UNIFORM = (400, b"")


async def answers(here: Scene) -> tuple[Miss | Answer, ...]:
    """What a good request gets when nobody waits: the broker is unharmed."""
    return (await here.ask()).answers


async def test_a_replayed_request_is_refused_a_thousand_times() -> None:
    async with scene() as here:
        volunteer = await here.volunteer(free=64)
        async with TaskSet("test") as tasks:
            sealed = seal(new_request()[0])
            first = tasks.start(here.post(sealed), "first")
            await volunteer.answer()
            assert (await first)[0] == 200
        for _ in range(1000):
            assert await here.post(sealed) == UNIFORM
        here.clock[0] += 119
        assert await here.post(sealed) == UNIFORM
        here.clock[0] += 600
        assert await here.post(sealed) == UNIFORM
        await volunteer.socket.close()


@pytest.mark.parametrize("error_s", [-600, -121, 121, 600])
async def test_a_request_whose_clock_is_off_is_refused(error_s: int) -> None:
    async with scene() as here:
        assert await here.post(seal(new_request(time_s=NOW + error_s)[0])) == UNIFORM
        assert await answers(here) == (Miss.NO_VOLUNTEER,)


async def test_a_clock_within_the_skew_is_accepted() -> None:
    async with scene() as here:
        for error_s in (-limits.RENDEZVOUS_CLOCK_SKEW_S, limits.RENDEZVOUS_CLOCK_SKEW_S):
            assert (await here.ask(time_s=NOW + error_s)).refusal is None


async def test_a_full_replay_window_refuses_replays_and_nobody_new() -> None:
    async with scene(nonces=2) as here:
        sealed = [seal(new_request(time_s=NOW + number)[0]) for number in range(5)]
        assert [(await here.post(each))[0] for each in sealed] == [200] * 5
        assert [await here.post(each) for each in sealed] == [UNIFORM] * 5


async def test_any_flipped_bit_is_refused() -> None:
    async with scene() as here:
        sealed = seal(new_request()[0])
        for position in range(0, len(sealed) * 8, 37):
            flipped = bytearray(sealed)
            flipped[position // 8] ^= 1 << position % 8
            if position == 255:
                continue  # X25519 ignores the key's top bit (RFC 7748 §5)
            assert await here.post(bytes(flipped)) == UNIFORM
        assert (await here.post(sealed))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b'{"type":1,"sdp":{}}',
        bytes(limits.SEALED_SIZES[0] + rendezvous.SEALED_OVERHEAD_BYTES),
        b"\xff" * rendezvous.SEALED_BYTES,
        bytes(rendezvous.SEALED_BYTES + 1),
        bytes(1_000_000),
    ],
    ids=len,
)
async def test_garbage_gets_the_uniform_answer(body: bytes) -> None:
    async with scene() as here:
        assert await here.post(body) == UNIFORM
        assert await answers(here) == (Miss.NO_VOLUNTEER,)


async def test_uniform_answers_have_uniform_headers() -> None:
    async with scene() as here:
        replayed = seal(new_request()[0])
        await here.post(replayed)
        seen = set()
        for body in (b"", bytes(2000), replayed, seal(new_request(time_s=0)[0])):
            async with here.http.post(here.url + "/v1/rendezvous", data=body) as response:
                headers = {k: v for k, v in response.headers.items() if k != "Date"}
                seen.add(str(sorted(headers.items())))
        assert len(seen) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"offers": (description(Setup.ACTIVE),)},
        {"offers": (offer(), description(Setup.PASSIVE))},
        {"reply_key": bytes(32)},
    ],
    ids=str,
)
async def test_a_well_sealed_request_that_makes_no_sense_is_refused(
    changes: dict[str, Any],
) -> None:
    """Another DTLS role than `actpass`; a reply key that no secret can be agreed with."""
    async with scene() as here:
        assert await here.post(seal(new_request(**changes)[0])) == UNIFORM


async def test_a_request_sealed_to_another_broker_is_refused() -> None:
    async with scene() as here:
        other = X25519PrivateKey.generate().public_key().public_bytes_raw()
        assert await here.post(rendezvous.seal_request(new_request()[0], other)) == UNIFORM


async def test_a_body_that_trickles_is_not_waited_for() -> None:
    async with scene(body_timeout_s=0.05) as here, asyncio.timeout(5):
        port = here.url.rpartition(":")[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"POST /v1/rendezvous HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_an_endless_body_is_cut_off() -> None:
    """The answer comes while the body still does."""

    async def endless() -> Any:
        while True:
            yield bytes(10_000)

    async with scene() as here, asyncio.timeout(10):
        try:
            async with here.http.post(here.url + "/v1/rendezvous", data=endless()) as response:
                assert response.status == 400
        except aiohttp.ClientError:
            pass  # the connection was cut before the answer was read
        assert await answers(here) == (Miss.NO_VOLUNTEER,)


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=3000), min_size=5, max_size=20))
def test_no_body_harms_the_broker(bodies: list[bytes]) -> None:
    async def send_all() -> None:
        async with scene() as here:
            for body in bodies:
                assert await here.post(body) == UNIFORM
            assert await answers(here) == (Miss.NO_VOLUNTEER,)

    asyncio.run(send_all())


async def test_a_whole_match_leaves_nothing_private_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        mine = offer()
        asking = tasks.start(here.ask(mine), "ask")
        got = await volunteer.offered()
        theirs = description(Setup.ACTIVE)
        await volunteer.send(VolunteerAnswer(got.offer, theirs))
        reply = await asking
    assert "broker" in caplog.text
    private = (mine.ufrag, mine.pwd, theirs.ufrag, got.ticket, reply.ticket, "192.0.2", "127.0.0")
    for text in private:
        assert text not in caplog.text


async def test_a_request_may_be_for_one_volunteer_and_come_by_any_way() -> None:
    """A friend hands a sealed request on: it is answered by the friend's browser or by none."""
    async with scene(proof_bits=8) as here, TaskSet("test") as tasks:
        others = [await here.volunteer() for _ in range(3)]
        asking = tasks.start(here.ask(), "ask")
        await others[0].answer()
        (found,) = (await asking).answers
        assert isinstance(found, Answer)
        await others[0].send(VolunteerReady(1))
        async with asyncio.timeout(5):
            while (await here.health())["available"] != 8:
                pass
        request, key = proved(*new_request())
        answering = tasks.start(
            here.broker.rendezvous.answer(seal(request), UNSEEN, only=found.volunteer), "answer"
        )
        theirs = await others[0].answer()
        (answer,) = rendezvous.open_reply(await answering, key, request).answers
        assert isinstance(answer, Answer)
        assert answer.description == theirs
        request, key = proved(*new_request())
        sealed = await here.broker.rendezvous.answer(seal(request), UNSEEN, only=bytes(8))
        assert rendezvous.open_reply(sealed, key, request).answers == (Miss.NO_VOLUNTEER,)


async def test_what_cannot_be_used_is_an_error_without_words_however_it_came() -> None:
    async with scene() as here:
        replayed = seal(new_request()[0])
        await here.post(replayed)
        for sealed in (b"", bytes(2000), replayed):
            with pytest.raises(PeerError):
                await here.broker.rendezvous.answer(sealed, UNSEEN)
