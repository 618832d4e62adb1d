"""What the extension sends: nothing before it was asked, and nothing once it is off."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.browser import LabBrowser
from tests.lab.country import AGREE, STUN_PORT, SWITCH, Country
from tests.lab.country import country as country
from tests.lab.extended import extended
from tests.lab.firefox import LabFirefox
from tests.lab.test_consent import (
    OFF_S,
    OUTSIDE,
    QUIET_S,
    check_end,
    connections,
    listen,
    look_around,
    requests,
)
from tests.lab.test_moved import page
from tools import extension

pytestmark = pytest.mark.timeout(150)

ANY = f"{OUTSIDE} and not arp and not icmp6 and not igmp"
"""What a browser sends. By IGMP the kernel leaves the groups of a browser that has just ended."""
BEGUN = "not tcp or tcp[13] & 2 != 0 or ip6[53] & 2 != 0"
"""What begins something. To a connection of a browser that has ended, a broker may still repeat."""
REMEMBER = "[part~=consent] input[type=checkbox]"
START = "main > label > input[type=checkbox]"
MISSED_S = 20.0
"""The longest time in which the extension may notice that nothing comes through."""


@pytest.fixture(scope="module")
def folder(country: Country, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both extensions, unpacked, for the country's network."""
    made = tmp_path_factory.mktemp("extension")
    extension.unpacked(made, country.invite)
    return made


@pytest.mark.parametrize("kind", [LabBrowser, LabFirefox])
def test_the_extension_sends_nothing_before_the_click_nor_after_its_end(
    kind: type[LabBrowser], country: Country, folder: Path, tmp_path: Path
) -> None:
    """Not when the browser starts, not from the popup or the options, and not when it asks.

    Everything is in the package, so not one file is fetched, before the click or after. One that
    helps with its popup closed is silent two seconds after the click that turns it off.
    """
    volunteer = country.hosts["volunteer"]
    with (
        country.lab.capture(volunteer, "any", ANY) as before,
        extended(country, kind, folder, tmp_path / "profile") as home,
    ):
        home.open("options")
        home.shut()
        home.open()
        home.until("off")
        look_around(home.browser)
        home.shut()
        listen(QUIET_S)
        assert before.packets(BEGUN) == []
        home.open()
        home.until("off")
        home.browser.click(SWITCH)
        home.browser.click(AGREE)
        home.until("waiting", "helping")
        with country.client():
            home.until("helping")
            home.shut()
            page(country)
            assert connections(country) != ""
            home.open()
            with country.lab.capture(volunteer, "any", OUTSIDE) as after:
                end_s = time.time()
                home.browser.click(SWITCH)
                acted_s = time.time()
                listen(OFF_S + QUIET_S)
        check_end(country, after, end_s, acted_s)
        home.until("off")
    assert set(requests(before)) == {"/v1/network", "/v1/volunteer", "/v1/link"}
    assert before.packets(f"udp port {STUN_PORT}") != []


def test_a_browser_that_starts_sends_nothing_unless_the_visitor_said_so(
    country: Country, folder: Path, tmp_path: Path
) -> None:
    """A yes that was remembered is none to start by itself; only the box is."""
    volunteer = country.hosts["volunteer"]
    profile = tmp_path / "profile"
    with extended(country, LabBrowser, folder, profile) as home:
        home.open()
        home.until("off")
        home.browser.click(SWITCH)
        home.browser.click(REMEMBER)
        home.browser.click(AGREE)
        home.until("waiting", "helping")
    with (
        country.lab.capture(volunteer, "any", ANY) as silent,
        extended(country, LabBrowser, folder, profile) as home,
    ):
        home.open()
        home.until("off")
        listen(QUIET_S)
        assert silent.packets(BEGUN) == []
        home.browser.click(SWITCH)
        home.until("waiting", "helping")
        home.browser.eval(f"document.querySelector('{START}').scrollIntoView()")
        home.browser.click(START)
        home.browser.wait(f"document.querySelector('{START}').checked")
    with (
        country.lab.capture(volunteer, "any", ANY) as started,
        extended(country, LabBrowser, folder, profile) as home,
    ):
        home.open()
        home.until("waiting", "helping")
    assert "/v1/volunteer" in requests(started)


def test_it_goes_on_when_the_network_is_back(
    country: Country, folder: Path, tmp_path: Path
) -> None:
    """Nothing gets through for a while; then it calls again by itself, and people are helped."""
    with extended(country, LabBrowser, folder, tmp_path / "profile") as home:
        home.open()
        home.until("off")
        home.browser.click(SWITCH)
        home.browser.click(AGREE)
        home.until("waiting", "helping")
        with country.client():
            home.until("helping")
            rule = country.star.silence("volunteer")
            home.until("connecting", "retrying", timeout_s=MISSED_S)
            country.star.lift(rule)
            home.until("waiting", "helping")
            page(country)
            home.until("helping")
