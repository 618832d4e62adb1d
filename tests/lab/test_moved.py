"""A reader's computer that goes to another network, or had none for a while."""

from __future__ import annotations

import time

import pytest

from tests.lab.country import PROXY_PORT, Country, turn_on
from tests.lab.country import country as country
from tests.lab.star import HOST_DEVICE

pytestmark = pytest.mark.timeout(120)

SOON_S = 5.0
"""The longest time from the change to a page. 0.3 to 4 s are seen, the longest for a volunteer that
has moved: its page may take 3.5 s to miss its broker."""
NO_DAD: dict[str, tuple[str, ...]] = {"24": (), "64": ("nodad",)}
"""IPv6 addresses are usable at once without the search for duplicates (RFC 4862 §5.4)."""


def page(country: Country) -> float:
    """Fetch the blocked page as an application that tries again does; return the seconds."""
    began_s = time.monotonic()
    country.hosts["client"].run(
        *("curl", "-sS", "--fail", "-m", "30", "--retry", "40", "--retry-all-errors"),
        *("--retry-delay", "1", "-x", f"socks5h://127.0.0.1:{PROXY_PORT}", country.site_url),
        timeout_s=60,
    )
    return time.monotonic() - began_s


def move(country: Country, who: str) -> None:
    """Take a host's addresses away, and give it others of the same subnets."""
    host = country.hosts[who]
    before = host.address, host.address6
    router = before[0].rpartition(".")[0] + ".1", before[1].removesuffix("2") + "1"
    after = before[0].rpartition(".")[0] + ".9", before[1].removesuffix("2") + "9"
    for old, new, length in zip(before, after, ("24", "64"), strict=True):
        host.ip("addr", "del", f"{old}/{length}", "dev", HOST_DEVICE)
        host.ip("addr", "add", f"{new}/{length}", "dev", HOST_DEVICE, *NO_DAD[length])
    for gateway, family in zip(router, ("-4", "-6"), strict=True):
        host.ip(family, "route", "replace", "default", "via", gateway)


@pytest.mark.parametrize("who", ["client", "volunteer"])
def test_another_address_costs_seconds(country: Country, who: str) -> None:
    """The computer loses its address and gets another one: the next page comes soon."""
    with country.browser() as browser:
        turn_on(browser)
        with country.client() as program:
            page(country)
            move(country, who)
            took_s = page(country)
            assert took_s < SOON_S, program.text()


def test_a_network_that_was_away_is_used_as_soon_as_it_is_back(country: Country) -> None:
    """Nothing gets through until the client has missed its link and its broker."""
    with country.browser() as browser:
        turn_on(browser)
        with country.client() as program:
            page(country)
            rule = country.star.silence("client")
            program.wait_for("cannot be reached", timeout_s=60)
            country.star.lift(rule)
            took_s = page(country)
            assert took_s < SOON_S, program.text()
