"""The network's descriptor, as a volunteer fetches and keeps it."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from passerelle.errors import ConfigError
from passerelle.volunteer.network import NetworkSource, NetworkUnreachable
from passerelle.wire.invite import parse
from tests.network import KEYS, network

YEARS_S = 10 * 365 * 86_400.0


async def test_a_clock_that_jumps_ends_no_volunteer(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a wrong clock the description has expired; once the clock is right, all is well."""
    async with network() as net, aiohttp.ClientSession() as http:
        source = NetworkSource(KEYS.invite(net.url), http)
        found = await source.describe()
        with monkeypatch.context() as wrong:
            wrong.setattr("time.time", lambda: found.expires_s + YEARS_S)
            with pytest.raises(NetworkUnreachable, match="expired"):
                await source.describe()
        assert await source.describe() == found


async def test_an_invite_to_another_network_is_said_at_once() -> None:
    async with network() as net, aiohttp.ClientSession() as http:
        invite = replace(parse(str(KEYS.invite(net.url))), operator_key=bytes(32))
        with pytest.raises(ConfigError, match="not signed by the key"):
            await NetworkSource(invite, http).describe()
