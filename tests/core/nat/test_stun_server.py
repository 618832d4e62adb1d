from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import serverlimits
from passerelle.core.nat.stun_server import SocketIndex, StunServer
from passerelle.wire import stun
from passerelle.wire.stun import BindingError, BindingRequest, BindingResponse, Endpoint

TRANSACTION = b"t" * 12
HERE = SocketIndex(0, 0)
CLIENT = Endpoint(ip_address("8.8.8.8"), 40_000)
HEADERS = {4: 28, 6: 48}
"""The bytes of the IP and UDP headers, by IP version."""


def endpoint(index: SocketIndex, *, version: int = 4) -> Endpoint:
    address = ("9.9.9.1", "9.9.9.2") if version == 4 else ("2a00::1", "2a00::2")
    return Endpoint(ip_address(address[index.address]), (3478, 3479)[index.port])


FOUR = {index: endpoint(index) for index in (SocketIndex(a, p) for a in (0, 1) for p in (0, 1))}
TWO = {index: endpoint(index) for index in (SocketIndex(0, 0), SocketIndex(0, 1))}


def ask(
    server: StunServer,
    at: SocketIndex = HERE,
    *,
    source: Endpoint = CLIENT,
    change_address: bool = False,
    change_port: bool = False,
) -> tuple[SocketIndex, stun.Message] | None:
    request = stun.encode(BindingRequest(TRANSACTION, change_address, change_port))
    found = server.answer(at, request, source, 0.0)
    return found and (found[0], stun.decode(found[1]))


@pytest.mark.parametrize("at", FOUR)
@pytest.mark.parametrize("change_address", [False, True])
@pytest.mark.parametrize("change_port", [False, True])
def test_four_sockets_change_as_they_are_asked(
    at: SocketIndex, change_address: bool, change_port: bool
) -> None:
    """The answer comes from the socket that the request asks for, and names the opposite socket."""
    found = ask(StunServer(FOUR), at, change_address=change_address, change_port=change_port)
    index = SocketIndex(at.address ^ change_address, at.port ^ change_port)
    across = FOUR[SocketIndex(at.address ^ 1, at.port ^ 1)]
    assert found == (index, BindingResponse(TRANSACTION, CLIENT, FOUR[index], across))


def test_two_ports_change_the_port_only() -> None:
    """A server with one address can change the port; asked for the other address it is silent."""
    server = StunServer(TWO)
    other = TWO[SocketIndex(0, 1)]
    assert ask(server) == (
        SocketIndex(0, 0),
        BindingResponse(TRANSACTION, CLIENT, TWO[SocketIndex(0, 0)], other),
    )
    found = ask(server, change_port=True)
    assert found == (SocketIndex(0, 1), BindingResponse(TRANSACTION, CLIENT, other, other))
    assert ask(server, change_address=True) is None


def test_a_server_that_does_not_know_its_address_names_none() -> None:
    """A server on every address does not know its own, and answers as a plain STUN server."""
    found = ask(StunServer({SocketIndex(0, 0): None, SocketIndex(0, 1): None}))
    assert found == (SocketIndex(0, 0), BindingResponse(TRANSACTION, CLIENT))


def test_unknown_attributes_are_refused() -> None:
    """Unknown attributes are refused, so RESPONSE-PORT (RFC 5780 §7.6) aims nothing at others."""
    request = stun.encode(BindingRequest(TRANSACTION))
    asked = request[:3] + b"\x08" + request[4:] + bytes.fromhex("0027000400350000")
    found = StunServer(FOUR).answer(SocketIndex(0, 0), asked, CLIENT, 0.0)
    assert found is not None
    assert stun.decode(found[1]) == BindingError(TRANSACTION)


@given(st.binary(max_size=100))
def test_what_is_no_request_gets_no_answer(garbage: bytes) -> None:
    """Only requests are answered, so two servers cannot answer each other for ever."""
    server = StunServer(FOUR)
    assert server.answer(SocketIndex(0, 0), garbage, CLIENT, 0.0) is None
    for message in (BindingResponse(TRANSACTION, CLIENT), BindingError(TRANSACTION)):
        assert server.answer(SocketIndex(0, 0), stun.encode(message), CLIENT, 0.0) is None


@pytest.mark.parametrize("version", [4, 6])
def test_answers_are_short(version: int) -> None:
    """With headers, an answer is at most 2.1 times as long as its request; a refusal is shorter."""
    server = StunServer({index: endpoint(index, version=version) for index in FOUR})
    source = Endpoint(ip_address("8.8.8.8" if version == 4 else "2a00::9"), 5)
    request = stun.encode(BindingRequest(TRANSACTION))
    attributes = b"".join(bytes([0, 0x24 + n, 0, 0]) for n in range(8))
    odd = request[:3] + bytes([len(attributes)]) + request[4:] + attributes
    for asked in (request, odd):
        found = server.answer(SocketIndex(0, 0), asked, source, 0.0)
        assert found is not None
        headers = HEADERS[version]
        assert headers + len(found[1]) <= 2.1 * (headers + len(asked))


@pytest.mark.parametrize(
    ("flooder", "neighbour", "stranger"),
    [("8.8.8.8", "8.8.8.9", "8.8.9.8"), ("2a00::1", "2a00:0:0:100::1", "2a00:0:1::1")],
)
def test_a_network_gets_so_many_answers_and_each_part_of_it_its_own(
    flooder: str, neighbour: str, stranger: str
) -> None:
    """Who uses up what a /24 or /48 shares leaves each address or /56 in it a number of its own."""
    server = StunServer(FOUR)
    source = Endpoint(ip_address(flooder), 40_000)
    most = serverlimits.STUN_REQUESTS + serverlimits.STUN_OWN_REQUESTS
    answers = [ask(server, source=source) for _ in range(most + 1)]
    assert None not in answers[:-1]
    assert answers[-1] is None
    near = [
        Endpoint(ip_address(neighbour), port) for port in range(serverlimits.STUN_OWN_REQUESTS + 1)
    ]
    answers = [ask(server, source=each) for each in near]
    assert None not in answers[:-1]
    assert answers[-1] is None
    assert ask(server, source=Endpoint(ip_address(stranger), 1)) is not None
    later = server.answer(
        SocketIndex(0, 0),
        stun.encode(BindingRequest(TRANSACTION)),
        source,
        float(serverlimits.STUN_WINDOW_S),
    )
    assert later is not None


@pytest.mark.parametrize(("forged_per_s", "least"), [(100, 1.0), (500, 1.0)])
def test_forging_from_a_network_leaves_its_people_their_answers(
    forged_per_s: int, least: float
) -> None:
    """Requests forged from every address of a /24 take no answer from an honest person in it."""
    server, start = StunServer(FOUR), int(ip_address("8.8.8.0"))
    asked = answered = 0
    for number in range(20 * forged_per_s):
        now, forged = number / forged_per_s, Endpoint(ip_address(start + number % 256), number)
        request = stun.encode(BindingRequest(TRANSACTION))
        server.answer(HERE, request, forged, now)
        if number % (forged_per_s // 10) == 0:
            asked += 1
            honest = Endpoint(ip_address(start + asked % 24), 50_000)
            answered += server.answer(HERE, request, honest, now) is not None
    assert answered >= least * asked


def test_prefixes_are_bounded() -> None:
    """When the table of prefixes is full it is emptied, and counting begins again."""
    server = StunServer(FOUR)
    request = stun.encode(BindingRequest(TRANSACTION))
    start = int(ip_address("11.0.0.0"))
    for number in range(serverlimits.STUN_PREFIXES + 10):
        source = Endpoint(ip_address(start + 256 * number), 1)
        assert server.answer(SocketIndex(0, 0), request, source, 0.0) is not None
        assert len(server._counts) <= serverlimits.STUN_PREFIXES
