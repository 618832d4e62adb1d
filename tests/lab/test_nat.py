"""A real browser and the real client behind every pair of NATs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.lab.capture import veil
from tests.lab.cast import SNAPSHOT, START_S, SWITCH, turn_on
from tests.lab.internet import (
    Internet,
    Nat,
)
from tests.lab.internet import (
    internet as internet,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

UP = "Connected through a volunteer"
DOWN = "Link 1 ended: no path to the volunteer"
CLASSES = {
    Nat.OPEN: "can be reached from outside",
    Nat.RESTRICTED: "behind an ordinary NAT",
    Nat.PORT_RESTRICTED: "behind an ordinary NAT",
    Nat.SYMMETRIC: "takes another port for every connection",
    Nat.BLOCKED: "seems to block UDP",
}
"""What the client says about each NAT."""
SEEN = {
    # A page cannot test what a NAT lets in, so it assumes the worse.
    Nat.OPEN: "restricted",
    Nat.RESTRICTED: "restricted",
    Nat.PORT_RESTRICTED: "restricted",
    Nat.SYMMETRIC: "symmetric",
    Nat.BLOCKED: "blocked",
}
"""What a browser tells the broker about each NAT."""
APART = {
    (Nat.SYMMETRIC, Nat.SYMMETRIC),
    (Nat.SYMMETRIC, Nat.PORT_RESTRICTED),
    (Nat.PORT_RESTRICTED, Nat.SYMMETRIC),
}
"""Pairs that cannot connect: one peer's packets come from another port than its candidates name."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, for `START_S` at most."""
    deadline_s = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never was"
        time.sleep(0.1)


@pytest.mark.parametrize("helper", [nat for nat in Nat if nat is not Nat.BLOCKED])
def test_pairs_of_nats_meet_or_not_as_expected(helper: Nat, internet: Internet) -> None:
    """Both sides report their class, and exactly the pairs that can connect have a link."""
    internet.set_nat("volunteer", helper)
    with internet.browser() as browser:
        with internet.lab.capture(internet.hosts["volunteer"], "net0", "tcp") as capture:
            turn_on(browser)
            browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)
            told = veil(f'"nat":"{SEEN[helper]}"'.encode())
            wait_until(lambda: told in veil(capture.path.read_bytes()))
        for reader in Nat:
            if reader is Nat.BLOCKED:
                continue
            internet.set_nat("reader", reader)
            apart = (reader, helper) in APART
            with internet.client() as client:
                client.wait_for(CLASSES[reader], timeout_s=START_S)
                text = client.wait_for(DOWN if apart else UP, timeout_s=START_S)
                assert (UP in text) is not apart, (reader, helper)
            if apart:
                # The broker knows of the failure and does not offer this volunteer to the client's
                # network for a while. Turning the switch off and on makes it a new volunteer.
                browser.click(SWITCH)
                browser.wait(f"{SNAPSHOT}.phase === 'off'", timeout_s=START_S)
                browser.click(SWITCH)
                browser.wait(f"{SNAPSHOT}.phase === 'waiting'", timeout_s=START_S)
        browser.click(SWITCH)


def test_a_network_without_udp_is_known_on_both_sides(internet: Internet) -> None:
    """In a network without UDP nothing comes through, and both sides report it."""
    for label in internet.gates:
        internet.set_nat(label, Nat.BLOCKED)
    with (
        internet.browser() as browser,
        internet.lab.capture(internet.hosts["volunteer"], "net0", "tcp") as capture,
        internet.client() as client,
    ):
        turn_on(browser)
        client.wait_for(CLASSES[Nat.BLOCKED], timeout_s=START_S)
        told = veil(f'"nat":"{SEEN[Nat.BLOCKED]}"'.encode())
        wait_until(lambda: told in veil(capture.path.read_bytes()))


def test_after_a_failure_another_volunteer_is_found(internet: Internet) -> None:
    """After a failed link the next request gets another volunteer, which has waited less."""
    for label in internet.gates:
        internet.set_nat(label, Nat.SYMMETRIC)
    with internet.browser() as first, internet.client() as client:
        turn_on(first)
        client.wait_for(DOWN, timeout_s=2 * START_S)
        assert UP not in client.text()
        with internet.browser("stranger") as second:
            turn_on(second)
            client.wait_for(UP, timeout_s=2 * START_S)
            second.wait(f"{SNAPSHOT}.phase === 'helping'", timeout_s=START_S)
        assert first.eval(f"{SNAPSHOT}.phase") == "waiting"
