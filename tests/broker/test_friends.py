"""Requests that people carry by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.io.tasks import TaskSet
from passerelle.wire import rendezvous
from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer, Miss, Refusal, RendezvousRequest
from passerelle.wire.signalling import (
    BrokerFriendReply,
    BrokerOffer,
    Decline,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerFriend,
)
from tests.broker.parties import (
    NETWORK,
    NOW,
    Volunteer,
    description,
    new_request,
    proved,
    scene,
    seal,
)

EASY = {"proof_bits": 4}


def carried(**changes: Any) -> tuple[RendezvousRequest, X25519PrivateKey]:
    """A request with the proof of work that a text carried by hand needs, and its key."""
    return proved(*new_request(**changes), EASY["proof_bits"])


async def reply_to(volunteer: Volunteer) -> BrokerFriendReply:
    message = await volunteer.receive()
    assert isinstance(message, BrokerFriendReply)
    return message


async def answer_to(volunteer: Volunteer, offer: BrokerOffer) -> Description:
    given = description(Setup.ACTIVE)
    await volunteer.send(VolunteerAnswer(offer.offer, given))
    return given


async def test_the_friend_gets_the_offer_and_nobody_else() -> None:
    """The reply that goes back by hand opens at the reader; the offer says that it will be late."""
    async with scene(**EASY) as here:
        others = [await here.volunteer() for _ in range(3)]
        friend = await here.volunteer()
        request, key = carried(lanes=3)
        await friend.send(VolunteerFriend(7, seal(request)))
        offer = await friend.offered()
        assert offer.patient
        assert offer.description == request.offers[0]
        friend_half = await answer_to(friend, offer)
        message = await reply_to(friend)
        assert message.id == 7
        assert message.reply is not None
        reply = rendezvous.open_reply(message.reply, key, request)
        (answer,) = reply.answers
        assert isinstance(answer, Answer)
        assert answer.description == friend_half
        assert len(answer.lane_tickets) == 3
        for other in others:  # were they offered anything, this would come first
            await other.send(VolunteerFriend(1, b""))
            assert await reply_to(other) == BrokerFriendReply(1, None)


async def test_an_ordinary_offer_is_in_a_hurry() -> None:
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        task = tasks.start(here.ask(), "ask")
        offer = await volunteer.offered()
        assert not offer.patient
        await answer_to(volunteer, offer)
        await task


async def test_hands_are_slow() -> None:
    """A text may be a quarter of an hour old, but is good once."""
    async with scene(**EASY) as here:
        friend = await here.volunteer(free=3)
        request, _ = carried(time_s=NOW - limits.FRIEND_CLOCK_SKEW_S)
        assert (await here.post(seal(request)))[0] == 400, "other ways are quick"
        await friend.send(VolunteerFriend(1, seal(request)))
        await friend.answer()
        assert (await reply_to(friend)).reply is not None
        await friend.send(VolunteerFriend(2, seal(request)))
        assert await reply_to(friend) == BrokerFriendReply(2, None)
        older, _ = new_request(time_s=NOW - limits.FRIEND_CLOCK_SKEW_S - 1)
        await friend.send(VolunteerFriend(3, seal(older)))
        assert await reply_to(friend) == BrokerFriendReply(3, None)


@pytest.mark.parametrize("sealed", [b"", b"x", bytes(1072), bytes(limits.TEXT_SEALED_BYTES)])
async def test_what_cannot_be_opened_is_told_without_a_reason(sealed: bytes) -> None:
    async with scene(**EASY) as here:
        friend = await here.volunteer()
        await friend.send(VolunteerFriend(1, sealed))
        assert await reply_to(friend) == BrokerFriendReply(1, None)


async def test_a_friend_that_declines_is_no_volunteer() -> None:
    """The reader learns it from the reply, and the others are not asked in its place."""
    async with scene(**EASY) as here:
        friend = await here.volunteer()
        request, key = carried()
        await friend.send(VolunteerFriend(1, seal(request)))
        offer = await friend.offered()
        await friend.send(VolunteerDecline(offer.offer, Decline.FAILED))
        message = await reply_to(friend)
        assert message.reply is not None
        assert rendezvous.open_reply(message.reply, key, request).answers == (Miss.NO_ANSWER,)


async def test_the_reader_has_worked_for_it() -> None:
    """The client does it before it shows the text, so it costs people no further texts."""
    async with scene(**EASY) as here:
        friend = await here.volunteer(free=2)
        for proof, refusal in ((False, Refusal.PROOF), (True, None)):
            request, key = carried() if proof else new_request()
            await friend.send(VolunteerFriend(1, seal(request)))
            if proof:
                await friend.answer()
            message = await reply_to(friend)
            assert message.reply is not None
            assert rendezvous.open_reply(message.reply, key, request).refusal is refusal


async def test_a_friends_browser_is_sent_to_one_machine_at_most() -> None:
    """Nobody has seen the reader, who might name anybody."""
    network = msgspec.structs.replace(NETWORK, private_candidates=False)
    async with scene(descriptor=network, **EASY) as here:
        friend = await here.volunteer()
        named = ("8.8.8.8", "9.9.9.9", "10.0.0.1", "2a00::1", "2a00::2")
        request, _ = carried(offers=(description(Setup.ACTPASS, *named),))
        await friend.send(VolunteerFriend(1, seal(request)))
        offered = (await friend.offered()).description
        assert [candidate.ip for candidate in offered.candidates] == ["8.8.8.8", "2a00::1"]


async def test_one_at_a_time() -> None:
    """A page asks one by one; what comes on top is ignored, and the broker goes on."""
    async with scene(**EASY) as here:
        friend = await here.volunteer(free=5)
        (first, _), (second, _), (third, _) = carried(), carried(), carried()
        await friend.send(VolunteerFriend(1, seal(first)))
        await friend.send(VolunteerFriend(2, seal(second)))
        await friend.answer()
        assert (await reply_to(friend)).id == 1
        await friend.send(VolunteerFriend(3, seal(third)))
        await friend.answer()
        assert (await reply_to(friend)).id == 3


async def test_a_friend_that_leaves_takes_its_request_along() -> None:
    """Nothing is left behind, and its text may be given to another friend as a new one only."""
    async with scene(**EASY) as here:
        friend = await here.volunteer()
        request, _ = carried()
        await friend.send(VolunteerFriend(1, seal(request)))
        await friend.offered()
        await friend.socket.close()
        other = await here.volunteer()
        await other.send(VolunteerFriend(1, seal(request)))
        assert await reply_to(other) == BrokerFriendReply(1, None)
        await here.broker.close()
        assert not here.broker._friends._tasks
