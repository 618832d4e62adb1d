"""Each rule of the censor drops what it should and nothing else, and two of them meet a client."""

from __future__ import annotations

import json

import pytest

from tests.chrome import needs_chrome
from tests.lab import Lab, censor
from tests.lab.browser import LabBrowser
from tests.lab.cast import turn_on
from tests.lab.censor import CHROMIUM_SUITES, PYTHON_FIRST_BYTES, STUN_COOKIE, Censor, Rule
from tests.lab.censors import (
    BEGIN,
    DOCUMENT,
    END,
    ENGINES,
    SCENARIOS,
    Scenario,
    Seen,
    censored,
    renewed,
    row,
    table,
    written,
)
from tests.lab.internet import Internet, Nat
from tests.lab.internet import internet as internet

pytestmark = pytest.mark.timeout(180)

PORT = 5000
STUN_PORT = 3478
OTHER_SUITES = CHROMIUM_SUITES[2:] + CHROMIUM_SUITES[:2]
TOLD_S = 40.0
"""A client waits 15 s for a handshake."""
SEND = """
import json, socket, sys
host, datagrams = json.load(sys.stdin)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.bind(("0.0.0.0", 4000))
    for port, data in datagrams:
        udp.sendto(bytes.fromhex(data), (host, port))
"""


def handshake(kind: int, body: bytes) -> bytes:
    """Return a DTLS record with one handshake message (RFC 6347 §4.1 and §4.2.2)."""
    size = len(body).to_bytes(3)
    message = bytes([kind]) + size + bytes(2) + bytes(3) + size + body
    return b"\x16\xfe\xfd" + bytes(8) + len(message).to_bytes(2) + message


def server_hello(suite: int, session: int = 0) -> bytes:
    """Return a ServerHello with a session id of so many bytes."""
    return handshake(
        2,
        b"\xfe\xfd" + bytes(32) + bytes([session]) + bytes(session) + suite.to_bytes(2) + bytes(9),
    )


def client_hello(suites: bytes) -> bytes:
    return handshake(1, b"\xfe\xfd" + bytes(34) + len(suites).to_bytes(2) + suites + bytes(40))


def stun(*attributes: int) -> bytes:
    """Return a binding request with attributes of these types, with eight bytes each."""
    body = b"".join(kind.to_bytes(2) + b"\x00\x08" + bytes(8) for kind in attributes)
    return b"\x00\x01" + len(body).to_bytes(2) + STUN_COOKIE + bytes(12) + body


DATA, SEALED = b"\x17" + bytes(40), b"\x2e" + bytes(40)
RTP, RTCP = b"\x80\x61" + bytes(40), b"\x80\xc9" + bytes(40)
FIRST = b"\x01\x01" + bytes(PYTHON_FIRST_BYTES[0] - 2)
REQUEST = b"\x00\x01" + bytes(PYTHON_FIRST_BYTES[0] - 2)

CASES: dict[str, tuple[Rule, list[bytes], int]] = {
    "1.2": (censor.dtls_1_2(), [server_hello(0xC02B)], 1),
    "1.2 with a session id": (censor.dtls_1_2(), [server_hello(0xC02B, 32)], 1),
    "1.2 with a cookie": (censor.dtls_1_2(), [handshake(3, bytes(20))], 1),
    "1.3": (censor.dtls_1_2(), [server_hello(0x1301), client_hello(CHROMIUM_SUITES), SEALED], 0),
    "the hello": (censor.one_hello(delay_s=0), [stun(), client_hello(CHROMIUM_SUITES), DATA], 2),
    "another hello": (censor.one_hello(delay_s=0), [client_hello(OTHER_SUITES), DATA], 0),
    "the size": (censor.first_size(), [FIRST, DATA], 2),
    "the size, later": (censor.first_size(), [DATA, FIRST, DATA], 0),
    "the size, of an answer": (censor.first_size(of_requests=True), [FIRST, DATA], 0),
    "the size, of a request": (censor.first_size(of_requests=True), [DATA, REQUEST, DATA], 2),
    "software": (censor.foreign_software(), [stun(6, 0x8022, 0x24), stun(0x8022)], 2),
    "no software": (censor.foreign_software(), [stun(6, 0x24), bytes(20) + b"\x80\x22\0\x04"], 0),
    "no call": (censor.only_calls(delay_s=0), [stun(), DATA, RTCP, stun()], 3),
    "no call, 1.3": (censor.only_calls(delay_s=0), [SEALED], 1),
    "a call": (censor.only_calls(delay_s=0), [stun(), RTP, DATA, SEALED], 0),
    "a call that begins late": (censor.only_calls(delay_s=60), [DATA, RTP, DATA], 0),
    "another port": (censor.no_stun_port(), [stun()], 0),
    "a flow": (censor.short_flows(delay_s=0), [stun(), DATA], 2),
    "a young flow": (censor.short_flows(delay_s=60), [stun(), DATA], 0),
}


def test_each_rule_drops_what_it_should(lab: Lab) -> None:
    """Datagrams from the reader's side go through the router, one flow for each case."""
    star = lab.star("client", "other")

    def dropped(rule: Rule, datagrams: list[bytes], port: int) -> int:
        text = json.dumps([star.hosts["other"].address, [(port, data.hex()) for data in datagrams]])
        with Censor(star, "client", rule) as at_work:
            star.hosts["client"].run("python3", "-c", SEND, text=text)
        return at_work.dropped

    found = {name: dropped(rule, sent, PORT) for name, (rule, sent, _) in CASES.items()}
    assert found == {name: count for name, (_, _, count) in CASES.items()}
    assert dropped(censor.no_stun_port(), [stun()], STUN_PORT) == 1


@needs_chrome
def test_a_client_without_a_browsers_handshake_says_so_and_the_other_passes(lab: Lab) -> None:
    """Where answers of DTLS 1.2 are dropped, Chrome's engine brings the page all the same."""
    with censored(lab, LabBrowser, LabBrowser) as here:
        rule = censor.dtls_1_2()
        seen = here.see(Scenario(rule), "chrome", hold_s=2)
        assert seen.page_s is not None, seen.said
        assert seen.dropped == 0
        with Censor(here.country.star, "client", rule) as at_work:
            client = here.client("python")
            client.wait_for("Try `--engine chrome`", timeout_s=TOLD_S)
            client.stop()
        assert at_work.dropped > 0


def test_behind_a_nat_another_port_for_stun_is_enough(internet: Internet) -> None:
    """One of the network's two servers is at another port, and the reader comes to ask it."""
    for label in internet.gates:
        internet.set_nat(label, Nat.PORT_RESTRICTED)
    rule = censor.no_stun_port()
    with internet.browser() as browser, Censor(internet.star, "gate-reader", rule) as at_work:
        turn_on(browser)
        with internet.client() as client:
            client.wait_for("Connected through a volunteer", timeout_s=TOLD_S)
        assert at_work.dropped > 0


# --- the table ----------------------------------------------------------------------------------

SEEN = {"chrome": Seen(2.04, 0.31, is_whole=True), "python": Seen(None, dropped=24)}
FIRST_ROW, SECOND_ROW = list(SCENARIOS)[:2]


def test_a_row_says_what_a_reader_saw() -> None:
    assert row("tulips", SEEN) == "| tulips | 2.0 s; ≤ 0.3 s; whole | no page in 45 s; 24 dropped |"
    assert Seen(3.0, None).cell() == "3.0 s; some missing; broken off"


def test_new_rows_take_the_place_of_old_ones() -> None:
    """The others stay, and the order is that of the scenarios."""
    old = {SECOND_ROW: f"| {SECOND_ROW} | old | old |"}
    document = f"before\n{BEGIN}\n{table(old)}\n{END}\nafter\n"
    made = renewed(document, {FIRST_ROW: row(FIRST_ROW, SEEN)})
    assert list(written(made)) == [FIRST_ROW, SECOND_ROW]
    assert made.startswith(f"before\n{BEGIN}\n| what")
    assert made.endswith(f"\n{old[SECOND_ROW]}\n{END}\nafter\n")


def test_the_document_has_a_row_for_each_scenario() -> None:
    found = written(DOCUMENT.read_text(encoding="utf-8"))
    assert list(found) == list(SCENARIOS)
    assert {line.count("|") for line in found.values()} == {len(ENGINES) + 2}


def test_a_document_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no"):
        written(BEGIN)
