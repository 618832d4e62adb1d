"""The page at `/newsroom`: who sees what, and what neither logs nor caches nor frames get."""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest

from passerelle import serverlimits
from passerelle.broker.audience.access import COOKIE
from passerelle.broker.audience.counting import HELPED_BYTES
from passerelle.core.embed import LANGUAGES
from passerelle.errors import LinkCode
from passerelle.io.server.bus import LocalBus
from passerelle.io.tasks import TaskSet
from passerelle.wire import tickets
from passerelle.wire.bus import LinkOutcome
from passerelle.wire.description import Setup
from passerelle.wire.publishers import Publishers, token_of
from passerelle.wire.rendezvous import Answer
from passerelle.wire.signalling import VolunteerAnswer
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import NETWORK, NOW, TICKET_KEY, Scene, description, exit_word, scene

NEWS, PAPER = "https://news.example", "https://paper.example"
NEWS_TOKEN, PAPER_TOKEN = token_of(bytes(24)), token_of(bytes(range(24)))
WRONG = token_of(bytes([7] * 24))


@dataclass
class Newsroom:
    """A broker with two publishers, and somebody without cookies."""

    here: Scene
    bus: LocalBus
    publishers: Publishers

    async def get(
        self, path: str = "", token: str = "", **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Fetch the page or a file with `token` in the cookie."""
        if token:
            headers["Cookie"] = f"{COOKIE}={token}"
        url = f"{self.here.url}/newsroom{path}"
        async with self.here.http.get(url, headers=headers) as response:
            return response, await response.text()

    async def post(
        self, path: str, fields: Mapping[str, str], **headers: str
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Send a form."""
        url = f"{self.here.url}/newsroom{path}"
        async with self.here.http.post(
            url, data=fields, headers=headers, allow_redirects=False
        ) as response:
            return response, await response.text()

    async def helped(self, page: str, size: int = HELPED_BYTES, lanes: int = 0) -> None:
        """Have a volunteer of `page` come, help a reader by so many links more, and go."""
        self.here.http.headers["Origin"] = page
        volunteer = await self.here.volunteer()
        del self.here.http.headers["Origin"]
        async with TaskSet("test") as tasks:
            asking = tasks.start(self.here.ask(lanes=lanes), "ask")
            offered = await volunteer.offered()
            await volunteer.send(VolunteerAnswer(offered.offer, description(Setup.ACTIVE)))
            (answer,) = (await asking).answers
        assert isinstance(answer, Answer)
        await volunteer.socket.close()
        for ticket in (offered.ticket, *answer.lane_tickets):
            for _ in range(2):  # what is said twice counts once
                self.bus.publish(*exit_word(outcome(offered.exit, ticket, size)))


def outcome(exit_id: str, text: str, size: int) -> LinkOutcome:
    """What an exit says of a link that carried `size` bytes."""
    keys = (TICKET_KEY.public_key(),)
    ticket = tickets.verify(text, keys, kind=TicketKind.LINK, exit_id=exit_id, now_s=NOW)
    return LinkOutcome(exit_id, ticket.id, True, size, 0, 3.0, 4.0, 0.1, LinkCode.NORMAL)


@asynccontextmanager
async def newsroom(**changes: object) -> AsyncIterator[Newsroom]:
    bus, made = LocalBus(), Publishers()
    found: Newsroom
    made = made.given([NEWS], NEWS_TOKEN).given([PAPER], PAPER_TOKEN)
    async with scene(bus, publishers=lambda: found.publishers, **changes) as here:
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            found = Newsroom(Scene(here.broker, here.url, http, here.clock), bus, made)
            yield found


async def test_a_publisher_sees_its_own_volunteers_alone() -> None:
    """Of two publishers each sees its own, on the page and in the tables."""
    async with newsroom() as at:
        for page in (NEWS, NEWS, PAPER, "https://evil.example"):
            await at.helped(page, 5_000_000)
        for token, page, times in ((NEWS_TOKEN, NEWS, "2"), (PAPER_TOKEN, PAPER, "1")):
            response, text = await at.get(token=token)
            assert response.status == 200
            assert page in text
            assert (NEWS in text) + (PAPER in text) == 1
            assert "evil" not in text
            _, table = await at.get("/hours.csv", Authorization=f"Bearer {token}")
            rows = list(csv.DictReader(io.StringIO(table)))
            assert [(row["times_helped"], row["megabytes"]) for row in rows] == [
                ("8", "16" if times == "2" else "8")
            ]


async def test_a_reader_of_several_lanes_counts_once_with_all_that_they_carried() -> None:
    async with newsroom() as at:
        for _ in range(9):
            await at.helped(NEWS, 4_000_000, lanes=3)
        _, table = await at.get("/hours.csv", NEWS_TOKEN)
        (row,) = csv.DictReader(io.StringIO(table))
        assert (row["times_helped"], row["megabytes"]) == ("16", "144")


async def test_the_page_is_for_no_cache_no_frame_and_no_other_site() -> None:
    async with newsroom() as at:
        for path in ("", "/hours.csv", "/countries.csv"):
            response, text = await at.get(path, NEWS_TOKEN)
            assert response.status == 200
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in response.headers
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert NEWS_TOKEN not in text


async def test_the_form_leads_to_the_page_and_the_token_into_a_cookie_for_it_alone() -> None:
    async with newsroom() as at:
        response, form = await at.get()
        assert response.status == 200
        assert '<form method="post" action="newsroom?lang=en">' in form
        response, _ = await at.post("?lang=de", {"token": f"  {NEWS_TOKEN} \n"})
        assert response.status == 303
        assert response.headers["Location"] == "newsroom?lang=de"
        assert response.headers["Cache-Control"] == "no-store"
        cookie = response.cookies[COOKIE]
        assert cookie.value == NEWS_TOKEN
        assert cookie["path"] == "/newsroom"
        assert cookie["httponly"]
        assert cookie["secure"]
        assert cookie["samesite"] == "Strict"
        assert not cookie["max-age"]
        assert not cookie["expires"]
        response, _ = await at.post("/leave", {})
        assert response.status == 303
        assert response.headers["Location"] == "../newsroom?lang=en"
        assert response.cookies[COOKIE].value == ""


@pytest.mark.parametrize(
    ("invite", "path", "secure"),
    [
        (f"https://broker.example/bridge/#{'A' * 43}", "/bridge/newsroom", True),
        (f"http://127.0.0.1:8080/#{'A' * 43}", "/newsroom", ""),
    ],
)
async def test_the_cookie_fits_the_brokers_address(
    invite: str, path: str, secure: bool | str
) -> None:
    """Behind a proxy it is for the proxy's path, and only a laboratory has it without TLS."""
    async with newsroom(invite=invite) as at:
        response, _ = await at.post("", {"token": NEWS_TOKEN})
        assert response.cookies[COOKIE]["path"] == path
        assert response.cookies[COOKIE]["secure"] == secure


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"token": WRONG}, {}),
        ({"token": ""}, {}),
        ({}, {}),
        ({"token": f"{NEWS_TOKEN}; Path=/"}, {}),
        ({"token": NEWS_TOKEN + "é"}, {}),
        ({"token": "a" * serverlimits.NEWSROOM_FORM_BYTES}, {}),
        ({"token": NEWS_TOKEN}, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
async def test_a_wrong_token_gives_a_clear_page_and_no_cookie(
    fields: dict[str, str], headers: dict[str, str]
) -> None:
    async with newsroom() as at:
        response, text = await at.post("", fields, **headers)
        assert response.status == 403
        assert "This token is not valid." in text
        assert not response.cookies
        assert response.headers["Cache-Control"] == "no-store"


async def test_a_withdrawn_token_shows_nothing_any_more() -> None:
    async with newsroom() as at:
        assert (await at.get(token=NEWS_TOKEN))[0].status == 200
        at.publishers = at.publishers.without(NEWS)
        response, text = await at.get(token=NEWS_TOKEN)
        assert response.status == 403
        assert NEWS not in text
        assert response.cookies[COOKIE].value == ""
        assert (await at.get("/hours.csv", NEWS_TOKEN))[0].status == 401
        assert (await at.get("/hours.csv"))[0].headers["WWW-Authenticate"] == "Bearer"


async def test_wrong_tokens_of_a_network_are_few() -> None:
    """After some the next one is told to wait, whatever brings it; a right one never is."""
    proxy = ipaddress.ip_network("127.0.0.0/8")
    async with newsroom(trusted_proxies=(proxy,)) as at:
        at.here.http.headers["X-Forwarded-For"] = "8.8.8.8"
        for number in range(serverlimits.NEWSROOM_TRIES[0]):
            if number % 3 == 0:
                response, _ = await at.post("", {"token": WRONG})
            elif number % 3 == 1:
                response, _ = await at.get(token=WRONG)
            else:
                response, _ = await at.get("/hours.csv", Authorization=f"Bearer {WRONG}")
            assert response.status in {401, 403}
        response, text = await at.post("", {"token": WRONG})
        assert response.status == 429
        assert "Too many wrong tokens" in text
        assert (await at.get("/hours.csv", WRONG))[0].status == 429
        for path in ("", "/hours.csv"):
            assert (await at.get(path, NEWS_TOKEN))[0].status == 200
        assert (await at.post("", {"token": NEWS_TOKEN}))[0].status == 303
        # Without a token the form is still shown, and other networks have tries of their own.
        assert (await at.get())[0].status == 200
        at.here.http.headers["X-Forwarded-For"] = "8.8.4.4"
        assert (await at.get(token=WRONG))[0].status == 403


@pytest.mark.parametrize("code", LANGUAGES)
async def test_form_and_page_speak_every_language(code: str) -> None:
    async with newsroom() as at:
        await at.helped(NEWS)
        for token in ("", NEWS_TOKEN):
            response, text = await at.get(f"?lang={code}", token)
            assert response.headers["Content-Language"] == code
            direction = "rtl" if code in {"fa", "ar", "ug"} else "ltr"
            assert f'<html lang="{code}" dir="{direction}">' in text
            assert "$" not in text
            assert "{" not in text


async def test_a_broker_that_hears_of_no_other_says_whose_figures_it_shows() -> None:
    more = msgspec.structs.replace(NETWORK, brokers=NETWORK.brokers * 3)
    async with newsroom(descriptor=more) as at:
        _, text = await at.get(token=NEWS_TOKEN)
        assert "Counted by 1 of the 3 brokers of this network" in text
    async with newsroom() as at:
        _, text = await at.get(token=NEWS_TOKEN)
        assert "of this network" not in text


async def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0):
        async with newsroom() as at:
            await at.helped(NEWS)
            for token in (NEWS_TOKEN, WRONG):
                await at.get(token=token)
                await at.post("", {"token": token})
                await at.get("/hours.csv", token)
    assert NEWS_TOKEN not in caplog.text
    assert WRONG not in caplog.text
    assert NEWS not in caplog.text


async def test_figures_outlive_a_restart(tmp_path: Path) -> None:
    """A broker that starts again goes on from what it kept when it ended."""
    file = tmp_path / "counts.json"
    async with newsroom(counts_file=file) as at:
        for _ in range(9):
            await at.helped(NEWS)
    assert file.exists()
    async with newsroom(counts_file=file) as at:
        for token, times in ((NEWS_TOKEN, "16"), (PAPER_TOKEN, "0")):
            _, table = await at.get("/hours.csv", token)
            (row,) = csv.DictReader(io.StringIO(table))
            assert row["times_helped"] == times
            assert row["most_volunteers"] == times.replace("16", "8")
