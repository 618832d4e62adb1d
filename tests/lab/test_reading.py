"""What is on the wires while a blocked newspaper is read with nothing but a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from passerelle.demo.herald import picture
from passerelle.demo.reading import START
from tests.lab import Lab
from tests.lab.browser import LabBrowser
from tests.lab.capture import Capture, veil
from tests.lab.cast import START_S, turn_on
from tests.lab.firefox import LabFirefox
from tests.lab.reading import SITE_NAME, ReadingNetwork, shows
from tests.lab.star import HOST_DEVICE
from tests.rig.film import SECONDS, film
from tests.rig.publisher import TITLE as PAPER_TITLE

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

WORDS = "An old woman at the gate"
"""Words of every story."""
FRAME = "frames[0].document"
PACKET_BYTES = 1_600
"""More than a packet has on these wires."""
SOUGHT_S = SECONDS - 20
OWN_FILE = re.compile(r"/(?:passerelle-reader\.js|passerelle\.reader/[\w.-]+)")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingNetwork]:
    with Lab(directory=tmp_path_factory.mktemp("reading")) as lab:
        made = ReadingNetwork(lab)
        made.start()
        yield made


@pytest.fixture(scope="module")
def capture(network: ReadingNetwork) -> Iterator[Capture]:
    """Yield what was on the volunteer's line while two readers read."""
    host, router = network.hosts["volunteer"], network.star.router
    # Packets leave as they are on a real wire, not joined, so that tcpdump has room for many.
    for end, device in ((host, HOST_DEVICE), (router, network.star.device("volunteer"))):
        end.ip("link", "set", "dev", device, "gso_max_segs", "1")
    with (
        network.browser() as volunteer,
        network.lab.capture(host, HOST_DEVICE, first_bytes=PACKET_BYTES) as captured,
    ):
        # The page loads while the capture runs: that its text is found shows that the search works.
        volunteer.goto(network.paper_url, timeout_s=START_S)
        turn_on(volunteer)
        for kind in (LabBrowser, LabFirefox):
            with network.reader(kind) as browser:
                read(browser)
        yield captured


def read(browser: LabBrowser) -> None:
    """Read a story, search for words, and see the end of a film."""
    browser.eval(f"{START}.click()")
    shows(browser, "A late harvest")
    browser.eval(f"[...{FRAME}.links].find((a) => a.href.endsWith('/story/harvest')).click()")
    shows(browser, WORDS)
    browser.eval(f"() => {{ {FRAME}.querySelector('[name=q]').value = 'river'; }}")
    browser.eval(f"{FRAME}.querySelector('form').requestSubmit()")
    shows(browser, "1 found for “river”")
    browser.eval(f"() => {{ {FRAME}.location.href = '/film'; }}")
    shows(browser, "The river, filmed")
    video = f"{FRAME}.querySelector('video')"
    browser.wait(f"{video}.readyState > 0", timeout_s=START_S)
    assert browser.eval(f"{video}.duration") == SECONDS
    browser.eval(f"() => {{ {video}.currentTime = {SOUGHT_S}; }}")
    browser.wait(f"{video}.readyState > 1 && !{video}.seeking", timeout_s=START_S)
    assert browser.eval(f"{video}.currentTime") == SOUGHT_S


def test_the_reader_sends_nothing_to_exit_or_site(
    network: ReadingNetwork, capture: Capture
) -> None:
    """A story, a search and a film came, in Chromium and in Firefox, and no packet was dropped."""
    assert network.stopped == 0
    asked = network.asked_of_site
    paths = [line.split()[0] for line in asked]
    assert {paths.count(path) for path in ("/story/harvest", "/search", "/film")} == {2}
    later = [line for line in asked if re.fullmatch(r"/film\.webm bytes=[1-9]\d+-", line)]
    assert len(later) >= 2, asked
    assert capture.packets(f"host {network.address('site')}") == []


def test_the_volunteers_line_shows_nothing_of_the_site(
    network: ReadingNetwork, capture: Capture
) -> None:
    """No word of it is in any packet, also behind a WebSocket's mask, and no name in what is
    carried."""
    assert max(len(packet.data) for packet in capture.packets()) < PACKET_BYTES
    seen = capture.path.read_bytes()
    unmasked = veil(seen)
    assert PAPER_TITLE.encode() in seen, "what is not encrypted is found"
    assert veil(b'"type":"answer","offer":') in unmasked, "also behind a WebSocket's mask"
    words = (WORDS, "A late harvest", "The river, filmed", "/film.webm", "0123456789abcdef")
    asked = ("/story/harvest", "/search?q=river")
    for secret in (*(each.encode() for each in words + asked), picture("harvest")[:100]):
        assert secret not in seen, secret
        assert veil(secret) not in unmasked, secret
    # The network's signed description names the sites, and the volunteer has it from the broker.
    assert SITE_NAME.encode() in seen
    parties = " or ".join(f"host {network.address(label)}" for label in ("exit", "reader"))
    carried = [packet.data for packet in capture.packets(parties)]
    assert sum(map(len, carried)) > len(film())
    name = SITE_NAME.split(".", maxsplit=1)[0].encode()
    assert not [data for data in carried if name in data or veil(name) in veil(data)]


def test_the_mirrors_log_shows_no_page_that_was_read(
    network: ReadingNetwork, capture: Capture
) -> None:
    """It holds the page's own files, and no cookie."""
    assert capture.path.exists()
    log = network.asked_of_mirror
    paths = {path for path, _, _ in log}
    assert {path for path in paths if not OWN_FILE.fullmatch(path)} == {"/"}
    assert "/passerelle-reader.js" in paths
    assert {cookies for _, cookies, _ in log} == {""}
    assert {page.removeprefix(network.mirror_url) for _, _, page in log} <= {
        *("", "/", "/passerelle-reader.js")
    }
