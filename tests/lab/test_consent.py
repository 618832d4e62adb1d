"""What a volunteer's browser sends before it was asked, while it helps, and afterwards."""

from __future__ import annotations

import re
import time

import pytest

from passerelle import limits
from tests.lab.browser import LabBrowser
from tests.lab.capture import Capture, Packet
from tests.lab.country import (
    AGREE,
    BROKER_PORT,
    EXIT_PORT,
    REFUSE,
    SNAPSHOT,
    START_S,
    STUN_PORT,
    SWITCH,
    Country,
    turn_on,
)
from tests.lab.country import (
    country as country,
)
from tests.lab.firefox import LabFirefox

pytestmark = pytest.mark.timeout(120)

QUIET_S = 3.0
"""How long to listen to a browser that should send nothing."""
OFF_S = 2.0
"""The longest time from the click that turns the switch off to the last packet."""
TEST_S = 5.0
"""The longest time of a test of the rate."""
HEADERS = 1.25
"""What the headers of packets and messages, and acknowledgements, make of its bytes at most."""
REQUEST = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")
either = pytest.mark.parametrize("kind", [LabBrowser, LabFirefox])
OUTSIDE = "not net 127.0.0.0/8 and not host ::1"
"""A filter for packets that leave the host. Firefox is driven by a connection on the host itself,
which a capture of `any` counts twice."""
WINDOW_FILES = {"/keep", "/keep/page.css", "/keep/page.js", "/w/passerelle.js", "/w/more.js"}
SETTLED = "new Promise((done) => setTimeout(() => done(true), 1100))"
"""JavaScript that waits until the small window takes clicks."""
OTHER = "window.other.document.querySelector('passerelle-switch')"
SERVERS = ("broker", "exit", "stun", "client")


def requests(capture: Capture) -> list[str]:
    """Return the paths of all HTTP requests, in order, without the hashes in file names."""
    found = (REQUEST.search(packet.data) for packet in capture.packets("tcp"))
    return [re.sub(r"\.[0-9a-f]{8}\.", ".", match[1].decode()) for match in found if match]


def to_servers(country: Country, capture: Capture) -> list[Packet]:
    """Return the packets between a volunteer and its broker, exit and STUN server."""
    return capture.packets(" or ".join(f"host {country.address(name)}" for name in SERVERS))


def check_end(country: Country, capture: Capture, end_s: float, acted_s: float) -> None:
    """Check that links which ran at `end_s` were silent soon after `acted_s`, and are gone."""
    with_servers = to_servers(country, capture)
    late = [packet for packet in with_servers if packet.time_s > acted_s + OFF_S]
    assert any(packet.time_s > end_s for packet in with_servers), "there was much to end"
    assert late == [], [f"{packet.time_s - acted_s:.3f} s" for packet in late]
    assert connections(country) == "", "an idle one says something sooner or later"


def strangers(country: Country, capture: Capture) -> list[Packet]:
    """Return all packets except TCP with the page's own server, and ARP."""
    return capture.packets(
        f"not (tcp and host {country.address('paper')}) and not arp and not icmp6"
    )


def listen(seconds: float) -> None:
    """Let a capture run."""
    time.sleep(seconds)


def connections(country: Country) -> str:
    """Return the browser's open TCP connections to broker and exit, one in each line."""
    states = ("state", "connected", "exclude", "time-wait")
    ways = f"( dport = :{BROKER_PORT} or dport = :{EXIT_PORT} )"
    return country.hosts["volunteer"].run("ss", "-Htn", *states, ways).stdout


def keep_url(country: Country) -> str:
    """Return the URL of the small window, which the broker serves."""
    return country.invite.partition("/#")[0] + "/keep"


def look_around(browser: LabBrowser) -> None:
    """Do all that a visitor may do who does not agree."""
    browser.eval("document.querySelector('passerelle-switch').scrollIntoView()")
    browser.click(SWITCH)
    browser.wait(f"{SNAPSHOT}.phase === 'consent'")
    browser.click(REFUSE)
    browser.wait(f"{SNAPSHOT}.phase === 'off'")
    browser.click(SWITCH)
    browser.wait(f"{SNAPSHOT}.phase === 'consent'")


def visit(browser: LabBrowser, country: Country) -> None:
    """Open the page with the switch, look around, and give it time to send something."""
    browser.goto(country.paper_url, timeout_s=START_S)
    browser.wait(f"{SNAPSHOT}?.phase === 'off'", timeout_s=START_S)
    look_around(browser)
    listen(QUIET_S)


@either
def test_nothing_is_sent_before_the_click(kind: type[LabBrowser], country: Country) -> None:
    """Before consent only the page and the switch's own files are fetched, from their own server.

    The consent text comes with the file of the first press. The relay's script is not fetched
    either. Asking, refusing and asking again change nothing. Agreeing does, which shows that the
    capture would have seen it.
    """
    volunteer = country.hosts["volunteer"]
    with country.browser(kind=kind) as browser:
        with country.lab.capture(volunteer, "any", OUTSIDE) as before:
            visit(browser, country)
        assert requests(before)[0] == "/"
        assert set(requests(before)) <= {"/", "/w/passerelle.js", "/w/more.js"}
        assert before.packets("udp") == []
        assert strangers(country, before) == []
        with country.lab.capture(volunteer, "any", OUTSIDE) as after:
            browser.click(AGREE)
            browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)
            with country.client():
                browser.wait(f"{SNAPSHOT}.phase === 'helping'", timeout_s=START_S)
        assert {"/w/relay.js", "/v1/network", "/v1/volunteer", "/v1/link"} <= set(requests(after))
        assert after.packets(f"udp port {STUN_PORT}") != []
        assert "/keep" not in requests(after), "the small window is offered, and not fetched"


@either
def test_a_test_of_the_rate_waits_for_the_click_and_is_bounded(
    kind: type[LabBrowser], country: Country
) -> None:
    """Not one packet goes to an exit before the click, and then one test of 2 MB each way at most.

    The next click makes no other test, because what the first one found is remembered.
    """
    volunteer = country.hosts["volunteer"]
    at_exit = f"host {country.address('exit')}"
    with country.browser(kind=kind) as browser:
        with country.lab.capture(volunteer, "any", OUTSIDE) as before:
            visit(browser, country)
        assert before.packets(at_exit) == []
        with country.lab.capture(volunteer, "any", OUTSIDE) as after:
            browser.click(AGREE)
            browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)
            listen(QUIET_S)
        assert requests(after).count("/v1/link") == 1
        test = after.packets(at_exit)
        moved_bytes = sum(len(packet.data) for packet in test)
        assert limits.RATE_TEST_BYTES < moved_bytes < 2 * limits.RATE_TEST_BYTES * HEADERS
        assert test[-1].time_s - test[0].time_s < TEST_S + OFF_S
        with country.lab.capture(volunteer, "any", OUTSIDE) as again:
            browser.click(SWITCH)
            browser.wait(f"{SNAPSHOT}.phase === 'off'", timeout_s=START_S)
            browser.click(SWITCH)
            browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)
            listen(QUIET_S)
        assert "/v1/volunteer" in requests(again)
        assert again.packets(at_exit) == []


@either
@pytest.mark.parametrize("how", ["click", "other tab", "reload", "leave"])
def test_nothing_is_sent_after_the_end(how: str, kind: type[LabBrowser], country: Country) -> None:
    """Two seconds after switching off, reloading or leaving the page, nothing is sent any more.

    One click is enough, in any tab of the site. The client goes on asking for a volunteer
    meanwhile.
    """
    with country.browser(kind=kind) as browser:
        turn_on(browser)
        with country.client():
            browser.wait(f"{SNAPSHOT}.phase === 'helping'", timeout_s=START_S)
            assert connections(country) != ""
            if how == "other tab":
                # A page may open a tab within 5 s of a click, and the client took some of them.
                browser.click("h2")
                browser.eval("void (window.other = open(location.href))")
                browser.wait(f"{OTHER}?.snapshot?.elsewhere", timeout_s=START_S)
            with country.lab.capture(country.hosts["volunteer"], "any", OUTSIDE) as capture:
                end_s = time.time()
                if how == "click":
                    browser.click(SWITCH)
                elif how == "other tab":
                    browser.eval(f"{OTHER}.shadowRoot.querySelector('[role=switch]').click()")
                elif how == "reload":
                    browser.goto(country.paper_url)
                else:
                    browser.goto("about:blank")
                # A busy machine may take a while to act.
                acted_s = time.time()
                listen(OFF_S + QUIET_S)
            check_end(country, capture, end_s, acted_s)
            if how != "leave":
                browser.wait(f"{SNAPSHOT}.phase === 'off'")


@either
def test_the_small_window_sends_nothing_before_its_click_nor_after_its_end(
    kind: type[LabBrowser], country: Country
) -> None:
    """The window `/keep` fetches itself before its own click, and two seconds after off, nothing.

    What its browser fetched leaves no connection behind.
    """
    volunteer = country.hosts["volunteer"]
    with country.browser(kind=kind) as browser:
        with country.lab.capture(volunteer, "any", OUTSIDE) as before:
            browser.goto(keep_url(country), timeout_s=START_S)
            browser.wait(f"{SNAPSHOT}?.phase === 'off'", timeout_s=START_S)
            browser.eval(SETTLED)
            look_around(browser)
            listen(QUIET_S)
        assert requests(before)[0] == "/keep"
        assert set(requests(before)) <= WINDOW_FILES
        assert before.packets("udp") == []
        assert connections(country) == ""
        browser.click(AGREE)
        with country.client():
            browser.wait(f"{SNAPSHOT}.phase === 'helping'", timeout_s=START_S)
            assert connections(country) != ""
            with country.lab.capture(volunteer, "any", OUTSIDE) as capture:
                end_s = time.time()
                browser.click(SWITCH)
                acted_s = time.time()
                listen(OFF_S + QUIET_S)
        check_end(country, capture, end_s, acted_s)
