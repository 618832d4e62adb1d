"""Volunteers that help one family only, and readers who name it."""

from __future__ import annotations

import pytest

from passerelle.io.tasks import TaskSet
from passerelle.wire.rendezvous import Answer, Miss, RendezvousReply
from passerelle.wire.signalling import (
    BrokerPong,
    VolunteerFamily,
    VolunteerPing,
    VolunteerReady,
)
from tests.broker.parties import Scene, Volunteer, offer, scene

TAG, OTHER = b"t" * 16, b"o" * 16


async def of_family(here: Scene, tag: bytes = TAG, free: int = 1) -> Volunteer:
    """A volunteer that helps the family with this tag only."""
    volunteer = await here.volunteer(free=0)
    await volunteer.send(VolunteerFamily(tag))
    await volunteer.send(VolunteerReady(free))
    await volunteer.send(VolunteerPing())
    assert isinstance(await volunteer.receive(), BrokerPong)  # all that was said before is heard
    return volunteer


async def helped(here: Scene, volunteer: Volunteer, count: int = 1, tag: bytes = b"") -> Answer:
    """The answer to a client that names `tag`, as `volunteer` gives it."""
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(*(offer() for _ in range(count)), family=tag), "ask")
        given = await volunteer.answer()
        reply: RendezvousReply = await asking
    answers = [each for each in reply.answers if isinstance(each, Answer)]
    assert [each.description for each in answers] == [given]
    return answers[0]


async def test_only_readers_who_name_the_family_get_its_volunteer() -> None:
    async with scene() as here:
        volunteer = await of_family(here, free=2)
        for tag in (b"", OTHER, TAG[:-1]):
            assert (await here.ask(family=tag)).answers == (Miss.NO_VOLUNTEER,)
        assert (await helped(here, volunteer, tag=TAG)).family
        assert here.broker.volunteers.pool.available == 0, "it is no volunteer for everybody"
        assert (await here.health())["available"] == 0


async def test_a_reader_of_the_family_gets_others_where_it_has_no_volunteer() -> None:
    """Such an answer says that it is of somebody else."""
    async with scene() as here:
        friend, stranger = await of_family(here), await here.volunteer()
        assert (await helped(here, friend, tag=TAG)).family
        assert not (await helped(here, stranger, tag=TAG)).family


async def test_a_reader_without_a_family_is_answered_as_ever() -> None:
    async with scene() as here:
        stranger = await here.volunteer()
        assert not (await helped(here, stranger)).family


async def test_a_volunteer_that_changes_its_family_is_lost_to_the_first_one() -> None:
    """Its person has made a new link. Everybody else's volunteer it never becomes."""
    async with scene() as here:
        volunteer = await of_family(here)
        await volunteer.send(VolunteerFamily(OTHER))
        await volunteer.send(VolunteerPing())
        await volunteer.receive()
        pool = here.broker.volunteers.pool
        assert pool.families == {OTHER}
        assert (await here.ask(family=TAG)).answers == (Miss.NO_VOLUNTEER,)
        assert (await helped(here, volunteer, tag=OTHER)).family
        assert pool.families == frozenset(), "nothing is kept of a family without a free volunteer"


async def test_a_network_that_knew_a_volunteer_does_not_get_it_once_it_has_a_family() -> None:
    async with scene() as here:
        volunteer = await here.volunteer(free=2)
        await helped(here, volunteer)
        await volunteer.send(VolunteerFamily(TAG))
        await volunteer.send(VolunteerPing())
        await volunteer.receive()
        assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)
        assert (await helped(here, volunteer, tag=TAG)).family


async def test_a_family_that_leaves_leaves_nothing() -> None:
    async with scene() as here:
        volunteer = await of_family(here)
        assert here.broker.volunteers.pool.families == {TAG}
        await volunteer.socket.close()
        await (await here.volunteer(free=0)).socket.close()
        assert here.broker.volunteers.pool.families == frozenset()


@pytest.mark.parametrize("tag", [b"", b"short", bytes(17)])
async def test_a_tag_of_another_length_is_malformed(tag: bytes) -> None:
    async with scene() as here:
        volunteer = await here.volunteer()
        await volunteer.send(VolunteerFamily(tag))
        bye, _ = await volunteer.dismissed()
        assert bye is not None


def test_nothing_shows_a_tag() -> None:
    assert str(TAG) not in repr(VolunteerFamily(TAG))
