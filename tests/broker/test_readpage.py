"""The page for a publisher's blocked readers, as a broker serves it."""

from __future__ import annotations

from passerelle.wire import descriptor
from tests.broker.parties import NETWORK, OPERATOR_KEY, scene

POLICY = "default-src 'none'; script-src 'sha256-x'"


def make(document: bytes) -> tuple[bytes, str]:
    """Make something that holds the document."""
    return b"<!doctype html>" + document * 3, POLICY


async def test_the_page_is_served_with_its_policy() -> None:
    """Nothing else runs in it, no page frames it, no address and no cookie leaves with it."""
    async with scene(reading_page=make) as here, here.http.get(here.url + "/read") as response:
        assert response.status == 200
        assert (await response.read()).startswith(b"<!doctype html>")
        headers = response.headers
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Content-Security-Policy"] == f"{POLICY}; frame-ancestors 'none'"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Encoding"] == "gzip"
        assert headers["Cache-Control"] == "no-cache"
        assert "Set-Cookie" not in headers


async def test_a_browser_that_has_the_page_is_sent_none() -> None:
    """The tag changes with the network's signed description, and only then."""
    async with scene(reading_page=make) as here:
        url = here.url + "/read"
        async with here.http.get(url) as response:
            first = response.headers["ETag"]
        async with here.http.get(url, headers={"If-None-Match": first}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == first
        here.broker.publish(descriptor.sign(NETWORK, OPERATOR_KEY) + b" ")
        async with here.http.get(url, headers={"If-None-Match": first}) as response:
            assert response.status == 200
            assert response.headers["ETag"] != first


async def test_a_browser_that_unpacks_nothing_gets_the_page_plain() -> None:
    plain = {"Accept-Encoding": "identity"}
    async with (
        scene(reading_page=make) as here,
        here.http.get(here.url + "/read", headers=plain) as response,
    ):
        assert "Content-Encoding" not in response.headers
        assert (await response.read()).startswith(b"<!doctype html>")


async def test_a_network_without_a_site_has_no_page() -> None:
    async with scene() as here, here.http.get(here.url + "/read") as response:
        assert response.status == 404
