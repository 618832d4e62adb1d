"""A member of the bus that is no broker: it has the address of the NATS server, as exits do.

The attacker speaks NATS by itself and makes its messages by hand, so that it can say whatever the
server carries.
"""

# ruff: noqa: ASYNC110  (what is waited for has no event)

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import nats
import nats.errors
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nats.aio.client import Client
from nats.aio.msg import Msg

from passerelle import serverlimits
from passerelle.core.nat.classifier import NatClass
from passerelle.errors import LinkCode
from passerelle.io.server.bus import connect
from passerelle.io.tasks import TaskSet
from passerelle.wire import bus_signature, tickets
from passerelle.wire.bus import (
    BusClientProfile,
    ExitLoad,
    LinkOutcome,
    OfferPlaced,
    PlaceOffer,
    Subjects,
)
from passerelle.wire.bus_seal import NONCE_BYTES, BusSeal
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import VolunteerAnswer
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import (
    EXITS,
    NETWORK,
    NOW,
    SEAL_KEY,
    TICKET_KEY,
    Scene,
    Volunteer,
    description,
    exit_word,
    offer,
    scene,
)
from tests.broker.test_cluster import heard, stats
from tests.broker.test_limits import LOOPBACK, ask_from
from tests.rig.nats import NatsServer, nats_server, settled

SUBJECTS = Subjects(TICKET_KEY.public_key())
PLACE = SUBJECTS.place(NatClass.UNKNOWN)


class Attacker:
    """A member of the bus, and all that it has heard there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard: list[Msg] = []

    async def listen(self) -> None:
        async def hear(message: Msg) -> None:
            self.heard.append(message)

        await self._client.subscribe(">", cb=hear)
        await settled(self._client)

    def of(self, subject: str) -> list[bytes]:
        """What it heard on one subject."""
        return [message.data for message in self.heard if message.subject == subject]

    async def say(self, subject: str, message: Any) -> None:
        """Publish bytes as they are, and anything else as MessagePack, as a request."""
        data = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
        await self._client.publish(subject, data, reply="_INBOX.attacker")

    async def until_served(self, subject: str) -> None:
        """Wait until a broker listens: its subscriptions follow its volunteers."""
        while True:
            try:
                await self._client.request(subject, b"garbage", timeout=0.2)
            except nats.errors.NoRespondersError:
                await asyncio.sleep(0.02)
            except TimeoutError:
                return

    async def settle(self) -> None:
        """Wait until the server has passed on what was said, and what it passed on is heard."""
        await settled(self._client)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def attacker(server: NatsServer) -> AsyncIterator[Attacker]:
    client = await nats.connect(server.url)
    try:
        yield Attacker(client)
    finally:
        await client.close()


@pytest.fixture
async def pair(server: NatsServer) -> AsyncIterator[tuple[Scene, Scene]]:
    """Two brokers of one network on the server."""
    ends = [await connect(server.url, name="broker") for _ in range(2)]
    async with scene(ends[0]) as here, scene(ends[1]) as there:
        yield here, there
    for end in ends:
        await end.close()


def client(key: bytes) -> list[Any]:
    """The fields of a client's profile."""
    return ["unknown", None, None, None, key, 16, False]


async def matched(here: Scene, volunteer: Volunteer) -> tuple[str, str]:
    """Have a volunteer of another broker found; return the passwords of offer and answer."""
    mine = offer()
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(mine), "ask")
        theirs = await volunteer.answer()
        (answer,) = (await asking).answers
    assert isinstance(answer, Answer)
    return mine.pwd, theirs.pwd


async def untouched(volunteer: Volunteer) -> None:
    """The volunteer has got nothing since: the next thing it hears is the answer to nonsense."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await volunteer.socket.receive()


async def test_a_tap_shows_nothing_of_people(pair: tuple[Scene, Scene], attacker: Attacker) -> None:
    """Neither the reader's description nor the volunteer's answer, though it hears all."""
    here, there = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    await attacker.listen()
    passwords = await matched(here, volunteer)
    await attacker.settle()
    tapped = b"".join(message.data for message in attacker.heard)
    assert attacker.of(PLACE), "the tap works"
    for text in (*passwords, "192.0.2.7", "ufrag"):
        assert text.encode() not in tapped


async def test_a_forged_request_brings_no_volunteer(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    here, there = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    await attacker.listen()
    fields = msgspec.to_builtins(offer(), builtin_types=(bytes,))
    for number in range(20):
        key = client(bytes((number,)) * 3)
        await attacker.say(PLACE, ["one", fields, key, 0, [], 4.0])
    await attacker.settle()
    await untouched(volunteer)
    assert all(message.subject != "_INBOX.attacker" for message in attacker.heard)


async def test_a_repeated_request_brings_no_volunteer(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    """A recorded one is genuine, and counts once."""
    here, there = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    await attacker.listen()
    await matched(here, volunteer)
    await attacker.settle()
    recordings = attacker.of(PLACE)
    assert recordings
    for recorded in recordings:
        await attacker.say(PLACE, recorded)
    await attacker.settle()
    await untouched(volunteer)


async def test_a_forged_answer_is_none(pair: tuple[Scene, Scene], attacker: Attacker) -> None:
    """Whoever joins the brokers' group can swallow a request, and put nothing in its place."""
    here, _ = pair
    fields = msgspec.to_builtins(description(Setup.ACTIVE), builtin_types=(bytes,))
    forged = msgspec.msgpack.encode([{"description": fields, "volunteer": bytes(8)}])

    async def answer(message: Msg) -> None:
        await message.respond(forged)

    await attacker._client.subscribe(PLACE, "brokers", cb=answer)
    await attacker.settle()
    assert (await here.ask()).answers == (Miss.NO_VOLUNTEER,)


async def test_forged_words_of_exits_change_nothing(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    """Unsigned, signed by another exit, and recorded: readers go where they went before."""
    here, _ = pair
    subject, genuine = exit_word(ExitLoad("one", NOW + 1, 8, 99, 100))
    async with asyncio.timeout(5):
        while (await stats(here))["people"] != 8:
            await attacker.say(subject, genuine)
            await asyncio.sleep(0.05)
    idle = ExitLoad("two", NOW + 2, 99, 0, 100)
    await attacker.say(subject, ["two", NOW + 2, 99, 0, 100, False])
    await attacker.say(subject, ["two", 99, 0, 100, False])
    await attacker.say(subject, bus_signature.sign(idle, subject, EXITS["one"].signing_key))
    await attacker.say(subject, exit_word(ExitLoad("one", NOW, 999, 0, 100))[1])
    far = NOW + 2 * serverlimits.BUS_CLOCK_SKEW_S
    await attacker.say(subject, exit_word(ExitLoad("two", far, 99, 0, 100))[1])
    await attacker.settle()
    assert [(await here.ask()).exit for _ in range(10)] == ["one"] * 10
    assert (await stats(here))["people"] == 8


async def test_forged_complaints_move_nothing(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    """Six hundred under random keys, after as many requests under them, leave a volunteer as it
    was: it is asked as before.
    """
    here, there = pair
    volunteer = await there.volunteer(free=64)
    await heard(here, there)
    (handle,) = there.broker.volunteers._conversations
    pool = there.broker.volunteers.pool
    before = pool._by_handle[handle].quality.bad
    fields = msgspec.to_builtins(offer(), builtin_types=(bytes,))

    async def answer_all() -> None:
        while True:
            got = await volunteer.offered()
            await volunteer.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))

    async with TaskSet("test") as tasks:
        tasks.spawn(answer_all(), "volunteer")
        for _ in range(600):
            key = secrets.token_bytes(3)
            await attacker.say(PLACE, ["one", fields, client(key), 0, [], 4.0])
            await attacker.say(SUBJECTS.complaint, ["attacker", client(key), handle])
            await attacker.say(SUBJECTS.complaint, [client(key), handle])
        await attacker.settle()
        # What a broker hears after them, it hears once they are done.
        await here.ask()
    assert pool._by_handle[handle].quality.bad == before


async def test_forged_totals_evict_nothing_and_show_nothing(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    here, there = pair
    await there.volunteer(free=8)
    async with asyncio.timeout(10):
        while (await stats(here))["volunteers"] != 8:
            await asyncio.sleep(0.05)
    before = await stats(here)
    for _ in range(serverlimits.BUS_BROKERS * 2):
        forged = [secrets.token_hex(8), 2**61, 2**61, {"<b": 2**61}]
        await attacker.say(SUBJECTS.broker, forged)
    await attacker.settle()
    await here.ask()
    assert await stats(here) == before


async def test_a_report_counts_from_the_exit_that_the_ticket_was_for(
    pair: tuple[Scene, Scene], attacker: Attacker
) -> None:
    """Another exit of the network has heard of the ticket, and signs with its own key."""
    here, _ = pair
    volunteer = await here.volunteer(free=8)
    (handle,) = here.broker.volunteers._conversations
    async with TaskSet("test") as tasks:
        asking = tasks.start(here.ask(exit="one"), "ask")
        got = await volunteer.offered()
        await volunteer.send(VolunteerAnswer(got.offer, description(Setup.ACTIVE)))
        await asking
    keys = (TICKET_KEY.public_key(),)
    ticket = tickets.verify(got.ticket, keys, kind=TicketKind.LINK, exit_id="one", now_s=NOW)
    quality = here.broker.volunteers.pool._by_handle[handle].quality

    def outcome(exit_id: str, duration_s: float = 3.0) -> LinkOutcome:
        reason = LinkCode.TRANSPORT
        return LinkOutcome(exit_id, ticket.id, True, 1, 2, duration_s, 4.0, 0.1, reason)

    subject = SUBJECTS.link
    other = EXITS["two"].signing_key
    await attacker.say(subject, bus_signature.sign(outcome("one"), subject, other))
    await attacker.say(subject, bus_signature.sign(outcome("two"), subject, other))
    await attacker.say(*exit_word(outcome("one", float("inf"))))
    await attacker.say(*exit_word(outcome("one", float("nan"))))
    await attacker.settle()
    await here.ask(exit="two", avoid=(handle,))
    assert (quality.good, quality.bad) == (0.0, 0.0)
    async with asyncio.timeout(5):
        while quality.bad == 0:
            await attacker.say(*exit_word(outcome("one")))
            await asyncio.sleep(0.05)
    assert quality.good + quality.bad < 10


async def test_garbage_writes_little_and_takes_no_memory(
    pair: tuple[Scene, Scene], attacker: Attacker, caplog: pytest.LogCaptureFixture
) -> None:
    """4,600 messages at once, and long ones: a line for each subject, and nothing is kept."""
    here, there = pair
    volunteer = await there.volunteer(free=8)
    await heard(here, there)
    caplog.clear()
    caplog.set_level(logging.INFO)
    sealed = (PLACE, SUBJECTS.complaint, SUBJECTS.broker, SUBJECTS.question, SUBJECTS.counts)
    subjects = (*sealed, SUBJECTS.link, SUBJECTS.exit)
    for number in range(4600):
        await attacker.say(subjects[number % len(subjects)], secrets.token_bytes(20))
    for subject in subjects:
        await attacker.say(subject, [*client(b"key"), bytes(900_000)])
    await attacker.settle()
    await matched(here, volunteer)
    lines = [record.getMessage() for record in caplog.records if "on the bus" in record.message]
    assert sum(map(len, caplog.text.splitlines())) < 4000
    assert len(lines) <= 4 * len(subjects)
    assert not any("Traceback" in line or "File" in line for line in lines)


# --- a broker that was taken over: it has the key -------------------------------------------------

SEAL = BusSeal(SEAL_KEY)
PUBLIC = msgspec.structs.replace(NETWORK, private_candidates=False)
NAMED = ("8.8.8.8", "9.9.9.9", "10.0.0.1")


@pytest.fixture
async def public(server: NatsServer) -> AsyncIterator[Scene]:
    """A broker of a network in which nobody may name a private address."""
    end = await connect(server.url, name="broker")
    async with scene(end, descriptor=PUBLIC, trusted_proxies=LOOPBACK) as here:
        yield here
    await end.close()


def place(exit_id: str = "one", setup: Setup = Setup.ACTPASS) -> bytes:
    """A sealed request for a client in 8.8.8.0/24, which names other people's addresses too."""
    site = bytes((8, 8, 8))
    who = BusClientProfile(NatClass.UNKNOWN, site, "US", 1, secrets.token_bytes(3), 16, False)
    message = PlaceOffer(exit_id, description(setup, *NAMED), who, 0, (), 4.0)
    return SEAL.seal(message, PLACE, now_s=NOW, nonce=secrets.token_bytes(NONCE_BYTES))


async def test_a_hostile_broker_names_its_clients_network_only(
    public: Scene, attacker: Attacker
) -> None:
    """What it asks for is judged like what a client asks for."""
    volunteer = await public.volunteer(free=8)
    await attacker.until_served(PLACE)
    for refused in (place("three"), place(setup=Setup.PASSIVE), place(setup=Setup.ACTIVE)):
        await attacker.say(PLACE, refused)
    await attacker.say(PLACE, place())
    got = await volunteer.offered()
    assert got.exit == "one"
    assert [each.ip for each in got.description.candidates] == ["8.8.8.8"]
    await untouched(volunteer)


@pytest.mark.parametrize("setup", [Setup.ACTIVE, Setup.PASSIVE])
async def test_a_hostile_broker_answers_with_no_private_address(
    public: Scene, attacker: Attacker, setup: Setup
) -> None:
    async def answer(message: Msg) -> None:
        request = SEAL.open(message.data, PlaceOffer, PLACE)
        placed = OfferPlaced(Answer(description(setup, *NAMED), bytes(8)))
        nonce = secrets.token_bytes(NONCE_BYTES)
        await message.respond(
            SEAL.seal(placed, PLACE, now_s=NOW, nonce=nonce, answered=request.nonce)
        )

    await attacker._client.subscribe(PLACE, "brokers", cb=answer)
    await attacker.settle()
    mine = description(Setup.ACTPASS, "8.8.8.8")
    reply = await ask_from(public, "8.8.8.8", mine)
    assert reply is not None
    (found,) = reply.answers
    if setup is Setup.ACTIVE:
        assert isinstance(found, Answer)
        assert [each.ip for each in found.description.candidates] == ["8.8.8.8", "9.9.9.9"]
    else:
        assert found is Miss.NO_VOLUNTEER


async def test_brokers_with_other_keys_go_on_with_their_own_volunteers(
    server: NatsServer, pair: tuple[Scene, Scene]
) -> None:
    """As while a new seal key is being rolled out: they share nothing, and break nothing."""
    here, _ = pair
    own = await here.volunteer(free=8)
    end = await connect(server.url, name="broker")
    async with scene(end, seal_key=X25519PrivateKey.generate()) as other:
        await other.volunteer(free=8)
        async with TaskSet("test") as tasks:
            asking = tasks.start(here.ask(), "ask")
            await own.answer()
            (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        async with asyncio.timeout(10):
            while (await stats(here))["volunteers"] != 8:
                await asyncio.sleep(0.05)
    await end.close()
