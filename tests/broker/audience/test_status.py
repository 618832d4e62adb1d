"""The public page: rounded, honest about nobody, and no finer than once a minute."""

from __future__ import annotations

import ipaddress

import pytest

from passerelle.broker.audience.status import STATUS_AGE_S
from passerelle.core.embed import LANGUAGES
from passerelle.io.server.bus import LocalBus
from passerelle.wire.bus import ExitLoad
from tests.broker.parties import NOW, Scene, exit_word, scene


async def get(here: Scene, path: str = "/") -> str:
    async with here.http.get(here.url + path) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == f"public, max-age={STATUS_AGE_S}"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        return await response.text()


async def test_it_says_so_when_nobody_is_there() -> None:
    async with scene() as here:
        for path in ("/", "/status"):
            text = await get(here, path)
            assert "Nobody has the switch on right now." in text
            assert "<dt>Volunteers now</dt><dd>0</dd>" in text
            assert "<rect" not in text


async def test_one_person_is_shown_as_eight_and_from_nowhere() -> None:
    """A single volunteer and a single reader are no less than 8, and no country is named."""
    channel = LocalBus()
    proxy = ipaddress.ip_network("127.0.0.0/8")
    async with scene(channel, trusted_proxies=(proxy,)) as here:
        channel.publish(*exit_word(ExitLoad("one", NOW, 1, 1, 100)))
        here.http.headers["X-Forwarded-For"] = "8.8.8.8"
        await here.volunteer()
        text = await get(here)
        assert "<dt>Volunteers now</dt><dd>8</dd>" in text
        assert "<dt>Readers now</dt><dd>8</dd>" in text
        assert "Nobody has the switch on" not in text
        assert "data-country" not in text


async def test_who_looks_often_sees_no_more() -> None:
    """Within a minute all looks show the same, in whatever language."""
    async with scene() as here:
        assert "<dd>8</dd>" not in await get(here)
        await here.volunteer()
        for code in LANGUAGES:
            assert "<dd>8</dd>" not in await get(here, f"/status?lang={code}")
        here.clock[0] += STATUS_AGE_S
        assert "<dd>8</dd>" in await get(here)


@pytest.mark.parametrize("code", LANGUAGES)
async def test_it_speaks_every_language(code: str) -> None:
    async with scene() as here:
        await here.volunteer()
        text = await get(here, f"/?lang={code}")
        assert f'<html lang="{code}"' in text
        assert "$" not in text
        assert "{" not in text
        for file in ("page.css", "page.js"):
            async with here.http.get(f"{here.url}/status/{file}") as response:
                assert response.status == 200
                assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_operator_s_own_site_keeps_the_front() -> None:
    async with scene(front=False) as here:
        async with here.http.get(here.url + "/") as response:
            assert response.status == 404
        assert "Volunteers now" in await get(here, "/status")
