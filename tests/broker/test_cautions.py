"""What a broker tells of places: countries only, to volunteers and to reading pages."""

from __future__ import annotations

import ipaddress

from passerelle.io.tasks import TaskSet
from passerelle.wire import signalling
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer
from passerelle.wire.signalling import (
    BrokerWelcome,
    Decline,
    VolunteerAnswer,
    VolunteerDecline,
    VolunteerHello,
)
from tests.broker.parties import READ, Scene, Volunteer, description, offer, scene
from tests.broker.test_limits import ask_from

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
GERMAN, RUSSIAN = "193.99.144.80", "77.88.8.8"


async def come(here: Scene, address: str) -> tuple[Volunteer, BrokerWelcome]:
    """Come as a volunteer from `address`; return it and its welcome."""
    headers = {"X-Forwarded-For": address}
    socket = await here.http.ws_connect(f"{here.url}/v1/volunteer", headers=headers)
    volunteer = Volunteer(socket)
    await volunteer.send(VolunteerHello(signalling.VERSION, "test", 1))
    welcome = await volunteer.receive()
    assert isinstance(welcome, BrokerWelcome)
    return volunteer, welcome


async def test_a_volunteer_is_told_where_it_seems_to_be() -> None:
    """And warned where helping may be dangerous, by the operator's list."""
    async with scene(trusted_proxies=LOOPBACK) as here:
        _, welcome = await come(here, GERMAN)
        assert (welcome.country, welcome.caution) == ("DE", False)
        _, welcome = await come(here, RUSSIAN)
        assert (welcome.country, welcome.caution) == ("RU", True)
    async with scene(trusted_proxies=LOOPBACK, cautious=frozenset({"DE"})) as here:
        _, welcome = await come(here, GERMAN)
        assert welcome.caution
        _, welcome = await come(here, RUSSIAN)
        assert not welcome.caution


async def test_where_it_is_unknown_it_is_said_to_be_unknown() -> None:
    async with scene() as here:
        _, welcome = await come(here, "127.0.0.1")
        assert (welcome.country, welcome.caution) == (None, False)


async def test_an_offer_says_where_the_reader_seems_to_be() -> None:
    async with scene(trusted_proxies=LOOPBACK) as here:
        volunteer, _ = await come(here, GERMAN)
        async with TaskSet("test") as tasks:
            tasks.spawn(ask_from(here, RUSSIAN, offer()), "reader")
            message = await volunteer.offered()
            await volunteer.send(VolunteerDecline(message.offer, Decline.FAILED))
        assert message.country == "RU"


async def test_a_reading_page_is_told_where_its_volunteer_seems_to_be() -> None:
    """Other clients are not: those of an older release refuse a field that they do not know."""
    async with scene(trusted_proxies=LOOPBACK, descriptor=READ) as here, TaskSet("test") as tasks:
        for gateway, country in ((True, "DE"), (False, None)):
            volunteer, _ = await come(here, GERMAN)
            asking = tasks.start(ask_from(here, RUSSIAN, exit="one", gateway=gateway), "reader")
            message = await volunteer.offered()
            await volunteer.send(VolunteerAnswer(message.offer, description(Setup.ACTIVE)))
            reply = await asking
            assert reply is not None
            (answer,) = reply.answers
            assert isinstance(answer, Answer)
            assert answer.country == country
