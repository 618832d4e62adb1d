import asyncio
import logging

import pytest

from passerelle.errors import LinkCode
from passerelle.io.tasks import TaskSet
from passerelle.wire import descriptor
from passerelle.wire.rendezvous import Miss, Refusal
from passerelle.wire.signalling import Bye, VolunteerReady
from tests.broker.parties import NETWORK, NOW, OPERATOR_KEY, config, scene


async def test_the_signed_descriptor_is_served_to_any_page() -> None:
    async with scene() as here, here.http.get(here.url + "/v1/network") as response:
        document = await response.read()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert response.content_type == "application/json"
    key = OPERATOR_KEY.public_key().public_bytes_raw()
    assert descriptor.verify(document, key, now_s=NOW) == NETWORK


async def test_health_tells_rounded_counts_only() -> None:
    async with scene() as here:
        assert await here.health() == {"status": "ok", "volunteers": 0, "available": 0}
        await here.volunteer(free=0)
        assert await here.health() == {"status": "ok", "volunteers": 8, "available": 0}
        volunteers = [await here.volunteer() for _ in range(8)]
        assert await here.health() == {"status": "ok", "volunteers": 16, "available": 8}
        await volunteers[0].send(VolunteerReady(2))


@pytest.mark.parametrize("path", ["/v1", "/v1/networks", "/w/passerelle.js", "/w/", "/v2/x"])
async def test_unknown_paths_are_plainly_not_found(path: str) -> None:
    async with scene() as here, here.http.get(here.url + path) as response:
        assert response.status == 404
        assert response.content_type == "text/plain"
        assert len(await response.read()) < 40


async def test_closing_tells_volunteers_when_to_come_back() -> None:
    async with scene(return_s=(10, 20)) as here:
        volunteers = [await here.volunteer() for _ in range(20)]
        silent = await here.connect()
        partings = [asyncio.ensure_future(v.dismissed()) for v in (*volunteers, silent)]
        async with asyncio.timeout(5):
            await here.broker.close()
            ends = await asyncio.gather(*partings)
        times = set()
        for bye, code in ends:
            assert bye is not None
            assert bye.reason is Bye.RESTART
            assert bye.retry_after_s is not None
            assert 10 <= bye.retry_after_s <= 20
            assert code == 4000 + LinkCode.DRAINING
            times.add(bye.retry_after_s)
        assert len(times) > 10, "they must not all come back at once"


async def test_after_closing_nobody_is_taken_in() -> None:
    """Clients are told to come back as soon as volunteers do, and not as late as in a rush."""
    async with scene(retry_s=(50, 60), return_s=(1, 2)) as here:
        await here.broker.close()
        await here.broker.close()
        bye, _ = await (await here.connect()).dismissed()
        assert bye is not None
        assert bye.reason is Bye.RESTART
        reply = await here.ask()
        assert reply.refusal is Refusal.BUSY
        assert 1 <= reply.retry_after_s <= 2
        async with here.http.get(here.url + "/healthz") as response:
            assert response.status == 503


async def test_a_request_in_progress_is_answered_when_closing() -> None:
    async with scene(answer_timeout_s=600) as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        asking = tasks.start(here.ask(), "ask")
        await volunteer.offered()
        parting = tasks.start(volunteer.dismissed(), "parting")
        async with asyncio.timeout(5):
            await here.broker.close()
            assert (await asking).answers == (Miss.NO_ANSWER,)
            await parting


async def test_start_and_stop_are_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "passerelle")
    async with scene() as here:
        await here.volunteer()
    assert [record.getMessage() for record in caplog.records] == [
        "broker for 2 exits starts, without the widget's files",
        "broker stops",
    ]


def test_a_configuration_shows_no_key() -> None:
    assert "Private" in repr(config().seal_key)
    assert config().seal_key.private_bytes_raw().hex() not in repr(config())
