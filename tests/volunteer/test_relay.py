"""What a volunteer's person gives is all that it gives: people, bytes, hours, connections."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from passerelle.client.notices import LinkDown, LinkUp, NoVolunteer
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.io.webrtc.engine import choose
from passerelle.volunteer.conversation import OfferReply
from passerelle.volunteer.hours import parse
from passerelle.volunteer.relay import Relay
from passerelle.wire.description import Description
from passerelle.wire.signalling import BrokerOffer, FromVolunteer, VolunteerAnswer
from passerelle.wire.tickets import TicketKind
from tests.chrome import needs_chrome
from tests.client.test_service import BODY, curl, site
from tests.network import EXIT_ID, HOST, network, ticket
from tests.volunteer.rig import SOON_S, volunteering

pytestmark = needs_chrome

BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


async def test_a_day_ends_at_midnight_of_the_zone(tmp_path: Path) -> None:
    """What a day gives is given, then nothing, also after a restart and a clock that goes back."""
    clock = Clock(datetime(2026, 11, 29, 22, 30, tzinfo=UTC))  # 23:30 in Berlin
    options = {"clock": clock, "zone": BERLIN, "day_bytes": 600_000, "state": tmp_path}
    async with network() as net, site() as url:
        async with volunteering(net, **options) as volunteer:
            client, watch = await net.client(engine=choose("chrome")[0], links=1)
            proxy = f"socks5h://{HOST}:{client.port}"
            await watch.until(LinkUp)
            async with asyncio.TaskGroup() as group:
                group.create_task(curl("-x", proxy, "--max-time", "4", url))
                status = await volunteer.until(lambda status: status.reason == "day")
            assert status.day_bytes >= 600_000
            status = await volunteer.until(lambda status: status.people == 0)
            assert status.day_bytes < 600_000 + len(BODY)
            await client.close()
        clock.at -= timedelta(days=1)
        async with volunteering(net, **options) as volunteer:
            assert volunteer.program.status().reason == "day"
            clock.at += timedelta(days=1, minutes=31)
            volunteer.program._relay.look_at_clock()
            status = await volunteer.until(lambda status: status.state == "waiting")
            assert status.total_bytes >= 600_000
            client, _ = await net.client(engine=choose("chrome")[0])
            proxy = f"socks5h://{HOST}:{client.port}"
            assert (await curl("-x", proxy, "--data-binary", "x", url)) == (0, b"x")
            await client.close()


async def test_people_move_on_when_the_hour_is_over() -> None:
    clock = Clock(datetime(2026, 11, 29, 11, 59, tzinfo=UTC))
    options = {"clock": clock, "zone": UTC, "hours": parse("08:00-12:00")}
    async with network() as net, volunteering(net, **options) as volunteer:
        client, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(LinkUp)
        clock.at += timedelta(minutes=1)
        volunteer.program._relay.look_at_clock()
        await watch.until(LinkDown)
        await volunteer.until(lambda status: status.people == 0 and status.reason == "hours")
        await client.close()


async def test_no_more_people_than_were_offered_places() -> None:
    async with network() as net, volunteering(net, people=1) as volunteer:
        first, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(LinkUp)
        second, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(NoVolunteer)
        assert volunteer.program.status().people == 1
        await first.close()
        await watch.until(LinkUp)
        await second.close()


async def answered(relay: Relay, description: Description) -> Description:
    """Offer the volunteer a link, and return its answer."""
    said: asyncio.Queue[FromVolunteer] = asyncio.Queue()
    offer = BrokerOffer(1, EXIT_ID, ticket(TicketKind.LINK), description)
    relay.offered(offer, OfferReply(1, said.put_nowait))
    answer = await said.get()
    assert isinstance(answer, VolunteerAnswer)
    return answer.description


async def until_free(relay: Relay) -> None:
    """Wait until somebody else may come."""
    assert relay.free == 0
    async with asyncio.timeout(SOON_S):
        while not relay.free:  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.05)


async def test_whoever_went_without_a_word_keeps_nobody_out() -> None:
    """The place is given away while it is still waited whether they come back."""
    async with network() as net, volunteering(net, people=1) as volunteer:
        relay = volunteer.program._relay
        clients = ProcessEngine()
        made = await clients.gather(private=True)
        await made.connect(await answered(relay, made.description), timeout_s=SOON_S)
        await volunteer.until(lambda status: status.people == 1)
        assert clients.pid is not None
        os.kill(clients.pid, signal.SIGKILL)
        await until_free(relay)
        assert (relay.people, relay.links) == (1, 1)
        await clients.close()


async def test_whoever_does_not_come_keeps_nobody_out() -> None:
    """A reader may leave before the answer is there, and nothing tells the volunteer."""
    async with network() as net, volunteering(net, people=1) as volunteer:
        relay = volunteer.program._relay
        gone = await ChromeOffer.gather(private=True)
        await gone.close()
        await answered(relay, gone.description)
        await until_free(relay)
        assert (relay.people, relay.links) == (0, 1)


async def test_a_day_has_no_more_links_with_one_country_than_it_may() -> None:
    """The next day has as many again: the broker is told that there are places."""
    clock = Clock(datetime(2026, 11, 29, 12, tzinfo=UTC))
    options = {"clock": clock, "zone": UTC, "flows_a_day": 1}
    async with network() as net, volunteering(net, **options) as volunteer:
        first, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(LinkUp)
        second, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(NoVolunteer)
        assert volunteer.program.status().people == 1
        clock.at += timedelta(days=1)
        volunteer.program._relay.look_at_clock()
        await watch.until(LinkUp, timeout_s=30.0)
        await first.close()
        await second.close()


async def test_a_link_ends_at_its_age_and_the_reader_reads_on() -> None:
    """The client is told, and asks for another one."""
    async with network() as net, site() as url, volunteering(net, age_s=lambda _normal: 0.5):
        client, watch = await net.client(engine=choose("chrome")[0])
        proxy = f"socks5h://{HOST}:{client.port}"
        await watch.until(LinkUp, 3)
        assert await curl("-x", proxy, url) == (0, BODY)
        await client.close()


@pytest.mark.parametrize("which", ["mbit", "person_mbit"])
async def test_bytes_pass_no_faster_than_they_may(which: str) -> None:
    async with network() as net, site() as url, volunteering(net, **{which: 4.0}):
        client, watch = await net.client(engine=choose("chrome")[0])
        await watch.until(LinkUp)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await curl("-x", f"socks5h://{HOST}:{client.port}", url) == (0, BODY)
        assert loop.time() - begun > 0.8 * len(BODY) * 8 / 4e6
        await client.close()
