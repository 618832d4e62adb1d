"""Client and exit of one session, talking through memory."""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Iterable

import h2.config
import h2.connection
import h2.events
import pytest
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.ledger import Ledger
from passerelle.core.tunnel.streamevents import (
    Ended,
    Event,
    Failed,
    FlowRequested,
    Greeted,
    Malformed,
    Opened,
    Received,
    Requested,
    Writable,
)
from passerelle.core.tunnel.streams import Streams
from passerelle.errors import Failure, LinkCode, PeerError, StreamFailed


class Pair:
    """A client's and an exit's streams, and the bytes between them."""

    def __init__(self, *, flows: bool = True) -> None:
        self.client = Streams(client=True)
        self.exit = Streams(client=False, flows=flows)
        self.settle()

    def to_exit(self) -> list[Event]:
        return self.exit.receive(self.client.output())

    def to_client(self) -> list[Event]:
        return self.client.receive(self.exit.output())

    def settle(self) -> None:
        """Exchange everything, forgetting what it meant."""
        while self.to_exit() or self.to_client():
            pass

    def open(self) -> int:
        """Open a stream that both sides know."""
        stream = self.client.open("example.com", 443)
        self.to_exit()
        self.exit.accept(stream)
        self.to_client()
        return stream


def only(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Writable | Greeted)]


def upload(pair: Pair, stream: int, size: int) -> int:
    """Send up to `size` bytes and deliver them; return how many were allowed."""
    size = min(size, pair.client.sendable(stream))
    pair.client.send(stream, bytes(size))
    pair.to_exit()
    return size


def download(pair: Pair, stream: int) -> int:
    """Send all that is allowed to the client; return how much that is."""
    total = 0
    while size := pair.exit.sendable(stream):
        pair.exit.send(stream, bytes(size))
        total += sum(event.size for event in pair.to_client() if isinstance(event, Received))
    return total


# --- life of a stream -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "2001:db8::1"])
def test_a_stream_from_open_to_end(host: str) -> None:
    """CONNECT, answer, bytes each way, and an end each way; then nothing is left of it."""
    pair = Pair()
    stream = pair.client.open(host, 8443)
    pair.client.send(stream, b"early")
    assert only(pair.to_exit()) == [Requested(stream, host, 8443), Received(stream, b"early", 5)]
    pair.exit.accept(stream)
    assert only(pair.to_client()) == [Opened(stream)]
    pair.exit.consumed(stream, 5)
    pair.exit.send(stream, b"answer")
    assert only(pair.to_client()) == [Received(stream, b"answer", 6)]
    pair.client.consumed(stream, 6)
    pair.client.end(stream)
    pair.client.end(stream)
    assert only(pair.to_exit()) == [Ended(stream)]
    assert (pair.client.open_count, pair.exit.open_count) == (1, 1)
    pair.exit.send(stream, b"more")
    pair.exit.end(stream)
    assert only(pair.to_client()) == [Received(stream, b"more", 4), Ended(stream)]
    assert (pair.client.open_count, pair.exit.open_count) == (1, 0)
    pair.client.consumed(stream, 4)
    assert pair.client.open_count == 0


@pytest.mark.parametrize("failure", Failure)
@pytest.mark.parametrize("ended", [False, True])
def test_a_refusal_says_why(failure: Failure, ended: bool) -> None:
    """Every failure at the exit reaches the client as itself, whether or not it sent its end."""
    pair = Pair()
    stream = pair.client.open("example.com", 443)
    if ended:
        pair.client.end(stream)
    pair.to_exit()
    pair.exit.refuse(stream, failure)
    assert only(pair.to_client()) == [Failed(stream, failure)]
    pair.to_exit()
    assert (pair.client.open_count, pair.exit.open_count) == (0, 0)


@pytest.mark.parametrize(
    ("status", "proxy_status", "failure"),
    [
        (b"502", b"elsewhere; error=odd", Failure.INTERNAL),
        (b"502", b"\xff", Failure.INTERNAL),
        (b"403", b"passerelle; error=dns_error", Failure.DNS),
        (None, b"", Failure.INTERNAL),
    ],
)
def test_a_strange_refusal_is_still_one(
    status: bytes | None, proxy_status: bytes, failure: Failure
) -> None:
    """A status other than 200 fails the stream, and the client lets go of it."""
    client, far = Streams(client=True), plain_exit()
    stream = client.open("example.com", 443)
    far.receive_data(client.output())
    far.send_headers(stream, [(b":status", status or b"204"), (b"proxy-status", proxy_status)])
    assert only(client.receive(far.data_to_send())) == [Failed(stream, failure)]
    assert client.open_count == 0
    assert client.output() != b""


@pytest.mark.parametrize("breaker", ["client", "exit"])
def test_a_reset_fails_the_other_side(breaker: str) -> None:
    """Breaking a stream off fails it at the far side, once."""
    pair = Pair()
    stream = pair.open()
    if breaker == "client":
        pair.client.reset(stream)
        assert only(pair.to_exit()) == [Failed(stream, Failure.SESSION_LOST)]
    else:
        pair.exit.reset(stream)
        assert only(pair.to_client()) == [Failed(stream, Failure.SESSION_LOST)]
    assert (pair.client.open_count, pair.exit.open_count) == (0, 0)


def test_a_stream_may_be_broken_off_after_both_ends() -> None:
    """With bytes still unread, a stream that ended both ways can be let go."""
    pair = Pair()
    stream = pair.open()
    pair.exit.send(stream, b"unread")
    pair.exit.end(stream)
    pair.client.end(stream)
    pair.to_client()
    assert (pair.client.open_count, pair.client.sendable(stream)) == (1, 0)
    pair.client.reset(stream)
    assert pair.client.open_count == 0
    assert only(pair.to_exit()) == [Ended(stream)]


def test_resets_may_cross() -> None:
    """Both sides break off at once: neither hears of a second failure."""
    pair = Pair()
    stream = pair.open()
    pair.client.reset(stream)
    pair.exit.reset(stream)
    assert only(pair.to_exit()) == []
    assert only(pair.to_client()) == []


def test_what_is_over_is_left_alone() -> None:
    """Calls about a stream that is gone do nothing; the tunnel may not know yet."""
    pair = Pair()
    stream = pair.open()
    pair.client.reset(stream)
    pair.to_exit()
    for end in (pair.client, pair.exit):
        end.output()
        end.accept(stream)
        end.refuse(stream, Failure.DNS)
        end.send(stream, b"late")
        end.end(stream)
        end.reset(stream)
        end.consumed(stream, 10)
        assert end.sendable(stream) == 0
        assert end.output() == b""


def test_what_arrives_for_the_gone_is_dropped() -> None:
    """Bytes, an end and an answer under way to a stream just broken off change nothing."""
    pair = Pair()
    stream = pair.client.open("example.com", 443)
    pair.to_exit()
    pair.exit.accept(stream)
    pair.exit.send(stream, b"late")
    pair.exit.end(stream)
    pair.client.reset(stream)
    assert only(pair.to_client()) == []
    assert pair.client.open_count == 0
    pair.to_exit()
    other = pair.open()
    assert download(pair, other) >= limits.STREAM_WINDOW_BYTES


# --- flows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "2001:db8::1"])
def test_a_flow_from_open_to_end(host: str) -> None:
    """Extended CONNECT; its capsules may go ahead of the answer; else a stream like any."""
    pair = Pair()
    flow = pair.client.open_flow(host, 443)
    pair.client.send(flow, b"early")
    assert only(pair.to_exit()) == [FlowRequested(flow, host, 443), Received(flow, b"early", 5)]
    pair.exit.accept(flow)
    assert only(pair.to_client()) == [Opened(flow)]
    pair.exit.consumed(flow, 5)
    pair.exit.end(flow)
    pair.client.end(flow)
    assert only(pair.to_exit()) == [Ended(flow)]
    assert only(pair.to_client()) == [Ended(flow)]
    assert (pair.client.open_count, pair.exit.open_count) == (0, 0)


def test_a_flows_headers_are_those_of_the_rfcs() -> None:
    """What another implementation of RFC 8441, 9297 and 9298 would see and want."""
    client, far = Streams(client=True), plain_exit()
    far.update_settings({SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    assert Greeted() in client.receive(far.data_to_send())
    flow = client.open_flow("2001:db8::1", 443)
    (request,) = [
        event
        for event in far.receive_data(client.output())
        if isinstance(event, h2.events.RequestReceived)
    ]
    assert dict(request.headers or ()) == {
        b":method": b"CONNECT",
        b":protocol": b"connect-udp",
        b":scheme": b"https",
        b":authority": b"exit",
        b":path": b"/.well-known/masque/udp/2001%3Adb8%3A%3A1/443/",
        b"capsule-protocol": b"?1",
    }
    far.send_headers(flow, [(b":status", b"200"), (b"capsule-protocol", b"?1")])
    assert only(client.receive(far.data_to_send())) == [Opened(flow)]


def test_an_accepted_flow_says_that_it_speaks_capsules() -> None:
    """RFC 9298 §3.5; a TCP stream's answer stays as it was."""
    exit_, far = Streams(client=False), plain_client()
    far.send_headers(1, FLOW)
    far.send_headers(3, [(":method", "CONNECT"), (":authority", "a.example:1")])
    exit_.receive(far.data_to_send())
    exit_.accept(1)
    exit_.accept(3)
    answers = [
        dict(event.headers or ())
        for event in far.receive_data(exit_.output())
        if isinstance(event, h2.events.ResponseReceived)
    ]
    assert answers == [
        {b":status": b"200", b"capsule-protocol": b"?1"},
        {b":status": b"200"},
    ]


@pytest.mark.parametrize("greeted", [False, True])
def test_an_exit_without_udp_is_asked_for_none(greeted: bool) -> None:
    """Neither before its settings have come, nor when they do not offer it (RFC 8441 §3)."""
    pair = Pair(flows=False)
    client = pair.client if greeted else Streams(client=True)
    assert not client.offers_flows
    with pytest.raises(StreamFailed) as caught:
        client.open_flow("example.com", 443)
    assert caught.value.failure is Failure.NO_DATAGRAMS
    assert client.open_count == 0


def test_the_far_side_is_greeted_once() -> None:
    """The first settings tell; later ones are no news."""
    client, far = Streams(client=True), plain_exit()
    assert client.receive(far.data_to_send())[0] == Greeted()
    far.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    assert client.receive(far.data_to_send()) == [Writable()]


def test_flows_leave_room_for_tcp() -> None:
    """They have a limit of their own among the streams; one that ends makes room."""
    pair = Pair()
    flows = [pair.client.open_flow("example.com", 443) for _ in range(limits.FLOWS_PER_SESSION)]
    with pytest.raises(StreamFailed) as caught:
        pair.client.open_flow("example.com", 443)
    assert caught.value.failure is Failure.LIMIT
    for _ in range(limits.STREAMS_PER_SESSION - limits.FLOWS_PER_SESSION):
        pair.client.open("example.com", 443)
    pair.client.reset(flows[0])
    pair.client.open_flow("example.com", 443)
    with pytest.raises(StreamFailed) as caught:
        pair.client.open("example.com", 443)
    assert caught.value.failure is Failure.LIMIT


@pytest.mark.parametrize(
    ("change", "flows"),
    [
        ({}, False),
        ({":protocol": "websocket"}, True),
        ({":path": "/"}, True),
        ({":path": "/.well-known/masque/udp/127.1/53/"}, True),
        ({":path": b"/.well-known/masque/udp/\xff/53/"}, True),
    ],
)
def test_other_extended_requests_are_reset(change: dict[str, str | bytes], flows: bool) -> None:
    """Not offered, not UDP, or nowhere: that stream ends, and the next one is served."""
    exit_, far = Streams(client=False, flows=flows), plain_client()
    far.send_headers(1, list((dict(FLOW) | change).items()))
    assert only(exit_.receive(far.data_to_send())) == [Malformed()]
    assert exit_.open_count == 0
    far.send_headers(3, [(":method", "CONNECT"), (":authority", "a.example:1")])
    assert only(exit_.receive(far.data_to_send())) == [Requested(3, "a.example", 1)]


# --- bounds -----------------------------------------------------------------------------------


def test_too_many_streams() -> None:
    """A client opens no more than the exit allows; one that ends makes room."""
    pair = Pair()
    streams = [pair.client.open("example.com", 443) for _ in range(limits.STREAMS_PER_SESSION)]
    with pytest.raises(StreamFailed) as caught:
        pair.client.open("example.com", 443)
    assert caught.value.failure is Failure.LIMIT
    pair.to_exit()
    assert pair.exit.open_count == limits.STREAMS_PER_SESSION
    pair.client.reset(streams[0])
    pair.client.open("example.com", 443)
    assert len(only(pair.to_exit())) == 2


def test_a_stalled_reader_holds_one_window() -> None:
    """A client application that reads nothing gets one window, and other streams all of theirs."""
    pair = Pair()
    stalled, other = pair.open(), pair.open()
    assert download(pair, stalled) == limits.STREAM_WINDOW_BYTES
    for _ in range(10):
        size = download(pair, other)
        assert size > 0
        pair.client.consumed(other, size)
        pair.to_exit()


def test_a_reader_that_keeps_up_gets_a_wider_window() -> None:
    """The window doubles up to its cap while everything is consumed."""
    pair = Pair()
    stream = pair.open()
    sizes = []
    for _ in range(8):
        sizes.append(download(pair, stream))
        pair.client.consumed(stream, sizes[-1])
        pair.to_exit()
    assert sizes[0] == limits.STREAM_WINDOW_BYTES
    assert sizes[-1] == limits.STREAM_WINDOW_CAP_BYTES
    assert sizes == sorted(sizes)


def test_a_reader_of_bursts_gets_a_wider_window() -> None:
    """It reads in bites, and all is read before more comes."""
    pair = Pair()
    stream = pair.open()
    size = 0
    for _ in range(8):
        size = download(pair, stream)
        bite = size // 5
        for _ in range(4):
            pair.client.consumed(stream, bite)
        pair.client.consumed(stream, size - 4 * bite)
        pair.to_exit()
    assert size > limits.STREAM_WINDOW_CAP_BYTES // 2, "all but what is not given back yet"


def test_a_slow_reader_gets_no_wider_window() -> None:
    """A reader that leaves bytes unread keeps its first window."""
    pair = Pair()
    stream = pair.open()
    held = download(pair, stream)
    for _ in range(20):
        pair.client.consumed(stream, held - 1)
        pair.to_exit()
        held = 1 + download(pair, stream)
        assert held <= limits.STREAM_WINDOW_BYTES


def test_growth_has_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """All streams together widen only within the session's budget; an ended one gives back."""
    monkeypatch.setattr(limits, "STREAM_GROWTH_BYTES", 10 * limits.MIB)
    pair = Pair()
    grown = limits.STREAM_WINDOW_CAP_BYTES - limits.STREAM_WINDOW_BYTES
    wide = limits.STREAM_GROWTH_BYTES // grown
    streams = [pair.open() for _ in range(wide + 2)]

    def widen(stream: int) -> int:
        size = 0
        for _ in range(7):
            size = download(pair, stream)
            pair.client.consumed(stream, size)
            pair.to_exit()
        return size

    sizes = [widen(stream) for stream in streams]
    assert sizes[:wide] == [limits.STREAM_WINDOW_CAP_BYTES] * wide
    total = sum(sizes) - len(sizes) * limits.STREAM_WINDOW_BYTES
    assert total == limits.STREAM_GROWTH_BYTES
    pair.client.reset(streams[0])
    pair.to_exit()
    assert widen(streams[-1]) == limits.STREAM_WINDOW_CAP_BYTES


def test_uploads_are_bounded_together() -> None:
    """At the exit all unread uploads of a session share one window; reading reopens it."""
    pair = Pair()
    count = limits.CONNECTION_WINDOW_BYTES // limits.STREAM_WINDOW_BYTES + 5
    streams = [pair.open() for _ in range(count)]
    sent = [upload(pair, stream, limits.STREAM_WINDOW_BYTES) for stream in streams]
    assert sum(sent) == limits.CONNECTION_WINDOW_BYTES
    assert sent[-1] == 0
    for stream, size in zip(streams[:20], sent, strict=False):
        pair.exit.consumed(stream, size)
    assert Writable() in pair.to_client()
    assert upload(pair, streams[-1], 1000) == 1000


def test_unread_bytes_of_a_broken_stream_are_given_back() -> None:
    """Breaking streams off with bytes unread does not use up the session's window."""
    pair = Pair()
    for _ in range(3 * limits.CONNECTION_WINDOW_BYTES // limits.STREAM_WINDOW_BYTES):
        stream = pair.open()
        assert upload(pair, stream, limits.STREAM_WINDOW_BYTES) == limits.STREAM_WINDOW_BYTES
        pair.exit.reset(stream)
        pair.to_client()


def test_bytes_for_a_broken_stream_are_given_back() -> None:
    """Bytes under way to a stream that the exit broke off do not use up the window either."""
    pair = Pair()
    for _ in range(3 * limits.CONNECTION_WINDOW_BYTES // limits.STREAM_WINDOW_BYTES):
        stream = pair.open()
        pair.exit.reset(stream)
        assert upload(pair, stream, limits.STREAM_WINDOW_BYTES) == limits.STREAM_WINDOW_BYTES
        pair.to_client()


# --- a far side that breaks the rules ---------------------------------------------------------


def plain_exit() -> h2.connection.H2Connection:
    """Return an HTTP/2 server without our rules."""
    far = h2.connection.H2Connection(
        h2.config.H2Configuration(
            client_side=False, header_encoding=None, validate_outbound_headers=False
        )
    )
    far.initiate_connection()
    return far


def plain_client() -> h2.connection.H2Connection:
    """Return an HTTP/2 client without our rules."""
    far = h2.connection.H2Connection(
        h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    far.initiate_connection()
    return far


FLOW = [
    (":method", "CONNECT"),
    (":protocol", "connect-udp"),
    (":scheme", "https"),
    (":authority", "exit"),
    (":path", "/.well-known/masque/udp/a.example/53/"),
]


@pytest.mark.parametrize(
    "headers",
    [
        [(":method", "GET"), (":authority", "a:1"), (":scheme", "https"), (":path", "/")],
        [(":method", "CONNECT"), (":authority", "no-port")],
        [(":method", "CONNECT"), (":authority", "a b:443")],
        [(":method", "CONNECT"), (":authority", b"\xff\xfe:443")],
    ],
)
def test_only_connect_is_served(headers: list[tuple[str, str | bytes]]) -> None:
    """Any other request is reset, and the next one served."""
    exit_, far = Streams(client=False), plain_client()
    far.send_headers(1, headers)
    assert only(exit_.receive(far.data_to_send())) == [Malformed()]
    assert exit_.open_count == 0
    far.send_headers(3, [(":method", "CONNECT"), (":authority", "a.example:1")])
    assert only(exit_.receive(far.data_to_send())) == [Requested(3, "a.example", 1)]


def test_a_bad_request_may_be_over_already() -> None:
    """A request that is not CONNECT, with bytes and a reset right behind it, harms nothing."""
    exit_, far = Streams(client=False), plain_client()
    far.send_headers(1, [(":method", "CONNECT"), (":authority", "no-port")])
    far.send_data(1, b"x" * 10)
    far.reset_stream(1)
    assert only(exit_.receive(far.data_to_send())) == [Malformed()]
    assert exit_.open_count == 0


def test_answers_without_a_stream_are_ignored() -> None:
    """A refusal with a body, and an answer to a stream broken off, give no further events."""
    client, far = Streams(client=True), plain_exit()
    refused, broken = client.open("a.example", 1), client.open("b.example", 1)
    client.end(refused)
    far.receive_data(client.output())
    far.send_headers(refused, [(":status", "403")])
    far.send_data(refused, b"why", end_stream=True)
    client.reset(broken)
    far.send_headers(broken, [(":status", "200")])
    assert only(client.receive(far.data_to_send())) == [Failed(refused, Failure.INTERNAL)]
    assert client.open_count == 0


def test_garbage_ends_the_session() -> None:
    """Bytes that are not HTTP/2 are MALFORMED."""
    with pytest.raises(PeerError) as caught:
        Streams(client=False).receive(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
    assert caught.value.code is LinkCode.MALFORMED


def test_a_goodbye_ends_the_session() -> None:
    """GOAWAY is the far side's end of the session."""
    exit_, far = Streams(client=False), plain_client()
    far.close_connection()
    with pytest.raises(PeerError) as caught:
        exit_.receive(far.data_to_send())
    assert caught.value.code is LinkCode.NORMAL


def test_pings_of_http2_are_no_events() -> None:
    """A PING inside HTTP/2 is answered by the library and means nothing to us."""
    exit_, far = Streams(client=False), plain_client()
    exit_.receive(far.data_to_send())
    far.ping(b"12345678")
    assert exit_.receive(far.data_to_send()) == []


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_events_or_a_peer_error(data: bytes, client: bool) -> None:
    """Whatever the far side sends after a good start: events, or the session's end with a code."""
    end = Streams(client=client)
    end.receive((plain_exit() if client else plain_client()).data_to_send())
    try:
        end.receive(data)
    except PeerError as error:
        code = error.code
    else:
        code = LinkCode.NORMAL
    assert code in {LinkCode.MALFORMED, LinkCode.NORMAL}


@given(st.lists(st.integers(1, 40), max_size=60))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    """The session's bytes may be cut anywhere."""
    client, exit_ = Streams(client=True), Streams(client=False)
    stream = client.open("example.com", 443)
    client.send(stream, b"x" * 100)
    client.end(stream)
    data = client.output()
    events: list[Event] = []
    for cut in cuts:
        events += exit_.receive(data[:cut])
        data = data[cut:]
    events += exit_.receive(memoryview(data))
    assert Requested(stream, "example.com", 443) in events
    assert sum(event.size for event in events if isinstance(event, Received)) == 100
    assert events[-1] == Ended(stream)


def test_a_window_update_names_its_stream() -> None:
    """Others that wait for their own windows need not be looked at."""
    pair = Pair()
    stream = pair.open()
    pair.exit.send(stream, bytes(limits.STREAM_WINDOW_BYTES // 2))
    pair.to_client()
    pair.client.consumed(stream, limits.STREAM_WINDOW_BYTES // 2)
    assert Writable(stream) in pair.to_exit()


IDLE = (
    "ping",
    "settings",
    "settings answered",
    "window",
    "empty data",
    "padding",
    "priority",
    "unknown frame",
    "malformed request",
    "data on a broken stream",
    "second reset",
)


@pytest.mark.parametrize("kind", IDLE)
def test_idle_frames_are_counted(kind: str) -> None:
    """A burst is borne, and what comes with time; more ends the session."""
    exit_, far = Streams(client=False), plain_client()
    exit_.receive(far.data_to_send(), 0.0)
    far.receive_data(exit_.output())
    far.send_headers(1, [(":method", "CONNECT"), (":authority", "a.example:1")])
    exit_.receive(far.data_to_send(), 0.0)
    if kind in {"data on a broken stream", "second reset"}:
        exit_.reset(1)
    number = 3
    cost = 1

    def one(now: float) -> None:
        nonlocal number, cost
        match kind:
            case "ping":
                far.ping(b"12345678")
            case "settings":
                far.update_settings({4: 70_000})
            case "settings answered":
                exit_.receive(frame(4, 0, flags=1), now)
            case "window":
                far.increment_flow_control_window(1)
            case "empty data":
                far.send_data(1, b"")
            case "padding":
                exit_.receive(frame(0, 1, b"\2" + bytes(2), flags=8), now)
                # The window that padding takes is a matter of its own.
                exit_.consumed(1, 3)
            case "priority":
                exit_.receive(frame(2, 1, bytes(4) + b"\1"), now)
            case "unknown frame":
                exit_.receive(frame(99, 1, b"?"), now)
            case "malformed request":
                cost = 3  # with the reset that answers it, and what h2 says to the reset
                far.send_headers(number, [(":method", "CONNECT"), (":authority", "no-port")])
                number += 2
            case "data on a broken stream":
                exit_.receive(frame(0, 1, b"x"), now)
            case "second reset":
                exit_.receive(frame(3, 1, bytes(4)), now)
        exit_.receive(far.data_to_send(), now)
        if kind == "malformed request":
            far.receive_data(exit_.output())

    def several(count: int, times_s: Iterable[float]) -> None:
        for _, now in zip(range(count), times_s, strict=False):
            one(now)

    # The preface and its SETTINGS are among them.
    several(limits.IDLE_FRAMES_BURST // 3 - 4, itertools.repeat(0.0))
    several(limits.IDLE_FRAMES_PER_S, (n * cost / limits.IDLE_FRAMES_PER_S for n in range(9999)))
    with pytest.raises(PeerError) as caught:
        several(limits.IDLE_FRAMES_BURST + 2, itertools.repeat(3.0))
    assert caught.value.code is LinkCode.LIMIT


def frame(kind: int, stream: int, body: bytes = b"", *, flags: int = 0) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def test_a_header_block_is_no_place_to_store_bytes() -> None:
    """HTTP/2 holds a frame until its end, so a frame that is no DATA has a bound of its own."""
    exit_, far = Streams(client=False), plain_client()
    exit_.receive(far.data_to_send())
    exit_.receive(frame(1, 1, b"\0\1x\1y", flags=0))
    with pytest.raises(PeerError):
        exit_.receive((limits.STREAM_HEADER_BYTES + 1).to_bytes(3, "big") + b"\x09\0\0\0\0\1")


def test_a_client_bounds_what_all_streams_hold_together() -> None:
    """The exit may send as much as all streams may hold, and not without end."""
    client, far = Streams(client=True), plain_exit()
    far.receive_data(client.output())
    assert far.outbound_flow_control_window == limits.CLIENT_WINDOW_BYTES


def test_a_ledger_may_be_shared() -> None:
    """A new session of the same ticket brings no fresh burst."""
    ledger = Ledger()
    for _ in range(2):
        exit_, far = Streams(client=False, ledger=ledger), plain_client()
        exit_.receive(far.data_to_send())
        for _ in range(limits.IDLE_FRAMES_BURST // 2 - 10):
            far.ping(b"12345678")
        exit_.receive(far.data_to_send())
    for _ in range(20):
        far.ping(b"12345678")
    with pytest.raises(PeerError):
        exit_.receive(far.data_to_send())


def test_a_client_may_break_off_every_stream() -> None:
    """Each stream may be reset once at no charge: thousands of requests end no session."""
    pair = Pair()
    for _ in range(3 * limits.IDLE_FRAMES_BURST):
        stream = pair.open()
        pair.client.reset(stream)
        assert Failed(stream, Failure.SESSION_LOST) in pair.to_exit()
    assert pair.exit.open_count == 0


def test_an_exit_may_break_off_every_stream() -> None:
    """A client bears as many resets as it has opened streams, refused ones among them."""
    pair = Pair()
    for number in range(3 * limits.IDLE_FRAMES_BURST):
        stream = pair.open() if number % 2 else pair.client.open("example.com", 1)
        pair.to_exit()
        if number % 2:
            pair.exit.reset(stream)
        else:
            pair.exit.refuse(stream, Failure.PORT_CLOSED)
        pair.to_client()
    assert pair.client.open_count == 0


def test_a_client_holds_itself_to_the_bound_before_it_is_told() -> None:
    """No more streams are opened than an exit bears, whose SETTINGS have not come yet."""
    client, exit_ = Streams(client=True), Streams(client=False)
    for _ in range(limits.STREAMS_PER_SESSION):
        client.open("example.com", 443)
    assert not client.has_room
    with pytest.raises(StreamFailed) as caught:
        client.open("example.com", 443)
    assert caught.value.failure is Failure.LIMIT
    assert len(only(exit_.receive(client.output()))) == limits.STREAMS_PER_SESSION


def test_an_ordinary_transfer_is_never_idle() -> None:
    """WINDOW_UPDATEs of a long download give much, and do not count."""
    pair = Pair()
    stream = pair.open()
    for _ in range(3 * limits.IDLE_FRAMES_BURST // 100):
        size = pair.exit.sendable(stream)
        pair.exit.send(stream, bytes(size))
        pair.to_client()
        pair.client.consumed(stream, size)
        pair.to_exit()


def test_no_frame_is_written_out_for_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is not kept, and the text of a frame's bytes takes longer than all else."""
    pair = Pair()
    stream = pair.client.open("example.com", 443)
    pair.to_exit()

    def refuse(_data: bytes) -> bytes:
        raise AssertionError("a frame is written out")

    monkeypatch.setattr(binascii, "hexlify", refuse)
    assert upload(pair, stream, 10_000) == 10_000
