"""The broker's own name leads nowhere, so descriptor and volunteers come by another way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rig.certificate import Certificate
from tests.rig.curl import Proxy, fetch
from tests.rig.middleman import Middleman, fronting
from tests.rig.ports import free_port
from tests.rig.program import client
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

FRONT, CDN = "popular.localhost", "d123.cdn.example"


async def test_a_page_arrives_though_the_broker_is_blocked(
    chrome: Chromium, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection to the front brings the descriptor and a volunteer's real browser."""
    certificate = Certificate.make(tmp_path, FRONT)
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(certificate.pem))
    sites: dict[str, str] = {}
    async with Middleman(certificate, fronting(sites)) as man:
        way_there = f"{FRONT}:{man.port},https://{CDN}"
        policy = ("--allow", "127.0.0.0/8", "--exit-port", str(site.port))
        async with Way(tmp_path, chrome, *policy, ways=("--fronted", way_there)) as way:
            sites[CDN], _, key = way.invite.partition("/#")
            # Nothing answers at the URL with which the reader's invite begins.
            invite = f"http://127.0.0.1:{free_port()}/#{key}&fronted={way_there}"
            port = free_port()
            async with way.volunteer(), client(invite, port, "-v") as program:
                await program.expect("Connected through a volunteer")
                url = f"http://127.0.0.1:{site.port}/"
                got = await fetch(Proxy.HTTP, port, tmp_path / "page", url)
                assert (got.code, got.body.decode()) == (0, PAGE), got.text
        assert b"GET /v1/network" in man.seen
        assert b"POST /v1/rendezvous" in man.seen
        assert len(man.hellos) == 1
