"""Readers, volunteers and servers in a network that has no IPv4 at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.country import PROXY_PORT, Country, turn_on
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


class Ipv6Country(Country):
    """A country whose hosts have IPv6 addresses only."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        for host in (*self.hosts.values(), self.star.router):
            host.ip("-4", "address", "flush", "scope", "global")

    def address(self, label: str) -> str:
        """Return the IPv6 address of a party."""
        return self.hosts[label].address6

    @property
    def known_addresses(self) -> str:
        """See `LabNetwork.known_addresses`."""
        return "fd77*"


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ipv6Country]:
    with Lab(directory=tmp_path_factory.mktemp("ipv6")) as lab:
        made = Ipv6Country(lab)
        made.start()
        yield made


def test_a_page_comes_where_there_is_no_ipv4(country: Ipv6Country) -> None:
    """Broker, exit, STUN, volunteer and reader meet over IPv6 alone, and the page arrives."""
    with country.browser() as browser:
        turn_on(browser)
        with country.client():
            page = country.hosts["client"].run(
                *("curl", "--silent", "--max-time", "20"),
                *("--socks5-hostname", f"127.0.0.1:{PROXY_PORT}", country.site_url),
            )
    assert page.stdout
