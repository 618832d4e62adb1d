"""Nobody can make a volunteer's browser, or a reader's client, send packets to a third party."""

from __future__ import annotations

import pytest

from tests.lab.capture import Packet
from tests.lab.cast import START_S, turn_on
from tests.lab.internet import SERVER_PORT, Internet
from tests.lab.internet import (
    internet as internet,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

STRANGERS = "not arp and not icmp6"


def from_house(packets: list[Packet], gate: str) -> list[Packet]:
    """Return the UDP packets that a gateway has sent."""
    source = bytes(int(part) for part in gate.split("."))
    return [packet for packet in packets if source in packet.data[26:30]]


def test_a_hostile_client_aims_no_browser(internet: Internet) -> None:
    """A victim named in an offer and in a lane gets no packet; the client's own address does."""
    victim, stranger = internet.hosts["victim"], internet.hosts["stranger"]
    with (
        internet.browser() as browser,
        internet.lab.capture(victim, "net0") as at_victim,
        internet.lab.capture(stranger, "net0", "udp") as at_stranger,
    ):
        turn_on(browser)
        client = internet.play("stranger", "client", internet.invite, victim.address)
        client.wait_for("connected", timeout_s=START_S)
        client.wait_for("relay: LaneAnswer", timeout_s=START_S)
        client.wait_for("done", timeout_s=START_S)
        client.stop()
    assert at_victim.packets(STRANGERS) == []
    assert from_house(at_stranger.packets(), internet.gates["volunteer"].address) != []


def test_a_hostile_volunteer_aims_no_client(internet: Internet) -> None:
    """A victim named in an answer gets no packet; the volunteer's own address does."""
    victim, stranger = internet.hosts["victim"], internet.hosts["stranger"]
    url = f"http://{internet.address('server')}:{SERVER_PORT}"
    volunteer = internet.play("stranger", "volunteer", url, victim.address, stranger.address)
    volunteer.wait_for("ready", timeout_s=START_S)
    with (
        internet.lab.capture(victim, "net0") as at_victim,
        internet.lab.capture(stranger, "net0", "udp") as at_stranger,
        internet.client() as client,
    ):
        client.wait_for("Link 1 ended: no path to the volunteer", timeout_s=START_S)
    assert "answered" in volunteer.text()
    volunteer.stop()
    assert at_victim.packets(STRANGERS) == []
    assert from_house(at_stranger.packets(), internet.gates["reader"].address) != []
