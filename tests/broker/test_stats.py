"""`GET /v1/stats`: its fields, and that they are those of the documented table."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from passerelle.broker import stats
from passerelle.io.server.bus import LocalBus
from passerelle.wire.bus import ExitLoad
from tests.broker.parties import NOW, Scene, exit_word, scene

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "OPERATIONS.md"
FIELD = re.compile(r"^\| `?(\w+)`? *\| (?:integer|object)", re.MULTILINE)


async def test_the_public_numbers_are_rounded_up_for_any_page() -> None:
    """One person of each kind is shown as 8, and a country from 8 volunteers on."""
    proxy = ipaddress.ip_network("127.0.0.0/8")
    channel = LocalBus()
    async with scene(channel, trusted_proxies=(proxy,)) as here:
        channel.publish(*exit_word(ExitLoad("one", NOW, 1, 1, 100)))
        await here.volunteer(free=0)
        here.http.headers["X-Forwarded-For"] = "8.8.8.8"
        await here.volunteer()
        assert (await numbers(here))["countries"] == {}
        here.http.headers["X-Forwarded-For"] = "8.8.4.4"
        for _ in range(7):
            await here.volunteer()
        async with here.http.get(here.url + "/v1/stats") as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Cache-Control"] == "public, max-age=10"
            found = await response.json()
    assert found == {"people": 8, "volunteers": 16, "available": 8, "countries": {"US": 8}}


async def numbers(here: Scene) -> dict[str, object]:
    async with here.http.get(here.url + "/v1/stats") as response:
        found: dict[str, object] = await response.json()
        return found


async def test_the_documented_table_has_every_field() -> None:
    """The table in OPERATIONS.md and the module's own name the fields that are served."""
    async with scene() as here, here.http.get(here.url + "/v1/stats") as response:
        served = set(await response.json())
    assert set(FIELD.findall(OPERATIONS.read_text(encoding="utf-8"))) == served
    assert set(FIELD.findall(stats.__doc__ or "")) == served
