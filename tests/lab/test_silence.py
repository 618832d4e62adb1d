"""No program writes down anything that says who talks to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.capture import Capture
from tests.lab.country import (
    BROKER_PORT,
    PROXY_PORT,
    SITE_NAME,
    SITE_PORT,
    SNAPSHOT,
    START_S,
    Country,
    turn_on,
)
from tests.lab.country import (
    country as country,
)

pytestmark = pytest.mark.timeout(120)

SECRETS = {
    "ufrag": re.compile(rb'"ufrag":"([^"]+)"'),
    "pwd": re.compile(rb'"pwd":"([^"]+)"'),
    "fingerprint": re.compile(rb'"fingerprint":"([^"]+)"'),
    "ticket": re.compile(rb"Sec-WebSocket-Protocol: passerelle\.v1, ?(\S+)\r\n"),
}
"""Patterns of secrets that are in the clear on these wires; elsewhere TLS is around them."""
SDP = ("ice-ufrag", "a=candidate", "a=fingerprint", "typ host", "typ srflx")


def artefacts(country: Country, *children: str) -> Iterator[tuple[str, str]]:
    """Yield everything that servers and client have printed or stored, each with a name."""
    for number, text in enumerate(children):
        yield f"output {number}", text
    stored = Path(country.lab.directory, "network")
    for path in sorted(stored.rglob("*")):
        # The widget's own files are the same for everybody, and its SDP template describes no peer.
        if path.is_file() and not path.is_relative_to(stored / "widget"):
            yield path.name, path.read_bytes().decode("latin-1")


def secrets(capture: Capture) -> dict[str, set[str]]:
    """Return each kind of secret that was seen on the wire."""
    data = [packet.data for packet in capture.packets("tcp")]
    return {
        kind: {match.decode() for each in data for match in pattern.findall(each)}
        for kind, pattern in SECRETS.items()
    }


def test_nothing_about_anybody_is_written(country: Country) -> None:
    """After a page was read, a search through all output and all files finds no secret."""
    broker, volunteer = country.hosts["broker"], country.hosts["volunteer"]
    public: list[str] = []
    with country.browser() as browser, country.lab.capture(volunteer, "any") as capture:
        turn_on(browser)
        with country.client() as client:
            browser.wait(f"{SNAPSHOT}.phase === 'helping'", timeout_s=START_S)
            proxy = f"socks5h://127.0.0.1:{PROXY_PORT}"
            page = f"http://{SITE_NAME}:{SITE_PORT}/"
            answer = country.hosts["client"].run("curl", "-sS", "-m", "20", "-x", proxy, page)
            assert answer.stdout != ""
            refused = f"http://{country.address('volunteer')}:22/"
            country.hosts["client"].run("curl", "-s", "-m", "20", "-x", proxy, refused, check=False)
            base = f"http://{country.address('broker')}:{BROKER_PORT}"
            public += [
                broker.run("curl", "-sS", base + path).stdout for path in ("/v1/stats", "/healthz")
            ]
            said = client.text()
    found = secrets(capture)
    assert all(found.values()), "the capture shows what there is to find"
    people = {
        "the client's address": {country.address("client"), country.hosts["client"].address6},
        "the volunteer's address": {
            country.address("volunteer"),
            country.hosts["volunteer"].address6,
        },
        "the site": {SITE_NAME, country.address("site")},
        "a session description": set(SDP),
        **{f"a {kind}": values for kind, values in found.items()},
    }
    texts = dict(artefacts(country, *country.printed(), said, *public))
    assert any("link" in text for text in texts.values()), "there is something to search"
    written = [
        f"{what} in {name}"
        for name, text in texts.items()
        for what, values in people.items()
        for value in values - {""}
        # An address must not match as a part of a longer one.
        if re.search(rf"{re.escape(value)}(?![0-9])", text)
    ]
    assert written == []
