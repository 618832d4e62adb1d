"""A page arrives from behind a firewall, and the volunteer on the path cannot read any of it."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from tests.lab.capture import veil
from tests.lab.country import (
    EXIT_PORT,
    PROXY_PORT,
    SITE_NAME,
    SITE_PORT,
    START_S,
    Country,
    turn_on,
)
from tests.lab.country import (
    country as country,
)
from tests.rig.publisher import TITLE as PAPER_TITLE
from tests.rig.site import LINE, PAGE, TITLE

pytestmark = pytest.mark.timeout(120)

URL = f"http://{SITE_NAME}:{SITE_PORT}/"
CURL = ("curl", "-q", "-sS", "--noproxy", "", "--max-time", "30")
DIRECT_S = "2"


def test_a_search_sees_through_masks() -> None:
    """A text is found in a capture under any WebSocket mask."""
    mask = bytes([7, 200, 31, 90])
    text = b"....some words of a page...."
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
    assert veil(b"some words of a page") in veil(b"other bytes" + masked)


def fetch(country: Country, *options: str) -> str:
    """Run curl on the reader's machine."""
    return country.hosts["client"].run(*CURL, *options, URL, timeout_s=60).stdout


def stopped(country: Country) -> list[int]:
    """Return how many packets the firewall has dropped so far, by each of its four rules."""
    ways = [
        f"{here}-{there}"
        for name in ("exit", "site")
        for here, there in ((name, "client"), ("client", name))
    ]
    return [country.star.counter(f"block-{way}").packets for way in ways]


def forms(text: str) -> list[bytes]:
    """Return the bytes of a destination: plain, and as HTTP/2 compresses it (RFC 7541 §5.2)."""
    packed = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text.encode())
    # The last byte depends on what follows the name.
    return [text.encode(), packed[:-1]]


def test_a_destination_is_known_in_its_packed_form() -> None:
    """A destination in a CONNECT request that was not encrypted would be found."""
    request = Encoder().encode([(":method", "CONNECT"), (":authority", f"{SITE_NAME}:{SITE_PORT}")])
    plain, packed = forms(SITE_NAME)
    assert packed in request
    assert plain not in request


def test_a_blocked_page_arrives_and_its_volunteer_reads_none_of_it(country: Country) -> None:
    """The reader's machine sends nothing to exit or site; the volunteer sees only ciphertext."""
    before = stopped(country)
    to_exit = country.star.count("volunteer", "exit")
    with (
        country.browser() as browser,
        country.lab.capture(country.hosts["volunteer"], "net0") as capture,
    ):
        # The page loads while the capture runs: that its text is found shows that the search works.
        browser.goto(country.paper_url, timeout_s=START_S)
        turn_on(browser)
        with country.client():
            for option in ("--socks5-hostname", "-x"):
                assert fetch(country, option, f"127.0.0.1:{PROXY_PORT}") == PAGE
    assert stopped(country) == before
    assert country.star.counter(to_exit).packets > 0

    seen = capture.path.read_bytes()
    unmasked = veil(seen)
    assert PAPER_TITLE.encode() in seen, "what is not encrypted is found"
    assert veil(b'"type":"answer","offer":') in unmasked, "also behind a WebSocket's mask"
    assert capture.packets(f"tcp port {EXIT_PORT}") != []
    for secret in (TITLE.encode(), LINE.encode(), *forms(SITE_NAME)):
        assert secret not in seen, secret
        assert veil(secret) not in unmasked, secret
    assert capture.packets(f"host {country.address('site')}") == []


def test_the_firewall_would_have_been_noticed(country: Country) -> None:
    """Without a volunteer the reader gets nothing, and the firewall counts each attempt."""
    before = stopped(country)
    words = (*CURL, "--max-time", DIRECT_S, country.site_url)
    assert country.hosts["client"].run(*words, check=False).returncode == 28, "not even a refusal"
    assert stopped(country) > before
