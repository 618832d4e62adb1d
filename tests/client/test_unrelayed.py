from __future__ import annotations

import subprocess
import sys

import pytest

from passerelle.client.unrelayed import UnrelayedPath
from passerelle.errors import LinkCode, LinkLost
from passerelle.wire.tickets import TicketKind
from tests.network import network, ticket

SPARED = ("aiohttp", "aiortc")
"""Packages that a client needs only for a path without a volunteer, and for its own engine."""


async def test_an_exit_that_does_not_allow_it_answers_like_any_server() -> None:
    """A client's ticket opens no link where the operator did not say so."""
    async with network() as net:
        path = UnrelayedPath(net.exit_urls["exit1"], ticket(TicketKind.CLIENT))
        with pytest.raises(LinkLost) as caught:
            await path.open(5.0)
        assert caught.value.code is LinkCode.TRANSPORT


def test_a_client_loads_only_what_it_uses() -> None:
    """The packages take 24 MB together, a quarter of what an idle client takes."""
    code = "import sys, passerelle.client.service; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(SPARED) & set(loaded.stdout.split())
