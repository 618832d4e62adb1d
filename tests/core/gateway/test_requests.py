from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.gateway.requests import (
    Arrived,
    Cancelled,
    Credited,
    LinkRequests,
    Pinged,
    Ponged,
    Refused,
)
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.gatewayframes import FRAME_BODY_BYTES, LINK_ID, Frame, FrameType


def more(number: int, body: bytes = b"") -> Frame:
    return Frame(number, FrameType.REQUEST, body)


def end(number: int, body: bytes = b"") -> Frame:
    return Frame(number, FrameType.REQUEST_END, body)


def credit(number: int, count: int) -> Frame:
    return Frame(number, FrameType.CREDIT, count=count)


def reset(number: int) -> Frame:
    return Frame(number, FrameType.RESET)


def test_pings_belong_to_the_link() -> None:
    """They are no request, and are handed over with their marks."""
    requests = LinkRequests()
    assert requests.receive(Frame(LINK_ID, FrameType.PING, count=5)) == Pinged(5)
    assert requests.receive(Frame(LINK_ID, FrameType.PONG, count=6)) == Ponged(6)
    assert requests.is_idle


def test_requests_arrive_side_by_side() -> None:
    """The frames of several requests may be mixed; each is handed over whole, once."""
    requests = LinkRequests()
    assert requests.receive(more(1, b"a")) is None
    assert requests.receive(more(2, b"x")) is None
    assert requests.receive(end(2, b"y")) == Arrived(2, b"xy")
    assert requests.receive(end(1)) == Arrived(1, b"a")
    assert requests.receive(end(1, b"again")) is None
    assert len(requests) == 2
    requests.close(1)
    requests.close(2)
    assert requests.is_idle


def test_one_request_too_many_is_refused_alone() -> None:
    """The others go on, and there is room again when one of them has been answered."""
    requests = LinkRequests()
    for number in range(1, limits.GATEWAY_REQUESTS + 1):
        assert isinstance(requests.receive(end(number)), Arrived)
    late = limits.GATEWAY_REQUESTS + 1
    assert requests.receive(more(late, b"x")) == Refused(late)
    assert requests.receive(end(late, b"y")) is None
    requests.close(5)
    assert requests.receive(end(late + 1)) == Arrived(late + 1, b"")


def test_a_request_without_end_is_refused() -> None:
    """One request holds at most what a request may have, and its memory is given back."""
    requests = LinkRequests()
    body = bytes(FRAME_BODY_BYTES)
    for _ in range(limits.GATEWAY_REQUEST_BYTES // len(body)):
        assert requests.receive(more(1, body)) is None
    assert requests.receive(more(1, body)) == Refused(1)
    assert requests.receive(more(1, body)) is None
    assert requests.is_idle


def test_requests_without_end_are_refused_together() -> None:
    """All requests that are arriving on a link hold no more than one bound."""
    requests = LinkRequests()
    body = bytes(FRAME_BODY_BYTES)
    refused = 0
    for number in range(1, limits.GATEWAY_REQUESTS + 1):
        events = [requests.receive(more(number, body)) for _ in range(20)]
        refused += any(isinstance(event, Refused) for event in events)
    held = limits.GATEWAY_REQUESTS - refused
    assert 0 < held * 20 * len(body) <= limits.GATEWAY_WAITING_BYTES


def test_an_answer_is_sent_where_it_and_its_link_have_credit() -> None:
    """One answer that nobody reads holds up no other one, once the link has credit again."""
    requests = LinkRequests()
    requests.receive(end(1))
    requests.receive(end(2))
    first = limits.GATEWAY_CREDIT_BYTES
    assert requests.room(1) == first
    requests.spend(1, first)
    assert requests.room(1) == requests.room(2) == 0
    assert requests.receive(credit(LINK_ID, first)) == Credited(LINK_ID)
    assert (requests.room(1), requests.room(2)) == (0, first)
    assert requests.receive(credit(1, 7)) == Credited(1)
    assert requests.room(1) == 7


def test_credit_has_a_bound() -> None:
    """Nobody may make a volunteer hold more than it has room for."""
    requests = LinkRequests()
    requests.receive(end(1))
    for number in (1, LINK_ID):
        with pytest.raises(PeerError) as refused:
            requests.receive(credit(number, limits.GATEWAY_CREDIT_MOST_BYTES))
        assert refused.value.code is LinkCode.FLOW


def test_a_reset_closes_a_request() -> None:
    """The reader's reset ends an open request once, and forgets one that is arriving."""
    requests = LinkRequests()
    requests.receive(end(1))
    requests.receive(more(2, b"x"))
    assert requests.receive(reset(1)) == Cancelled(1)
    assert requests.receive(reset(1)) is None
    assert requests.receive(reset(2)) is None
    assert requests.receive(end(2, b"y")) is None
    assert requests.receive(credit(1, 5)) is None
    assert requests.is_idle


def test_a_reader_sends_no_answers() -> None:
    """A frame in the wrong direction ends the link."""
    with pytest.raises(PeerError) as refused:
        LinkRequests().receive(Frame(1, FrameType.ANSWER, b"x"))
    assert refused.value.code is LinkCode.UNEXPECTED


@given(
    st.lists(
        st.builds(
            Frame,
            st.integers(1, 5),
            st.sampled_from([FrameType.REQUEST, FrameType.REQUEST_END, FrameType.RESET]),
            st.binary(max_size=4),
        )
    )
)
def test_whatever_comes_is_counted(frames: list[Frame]) -> None:
    """No order of frames hands a request over twice, or leaves bytes counted that are not held."""
    requests = LinkRequests()
    arrived = []
    for frame in frames:
        event = requests.receive(frame)
        if isinstance(event, Arrived):
            arrived.append(event.id)
    assert len(arrived) == len(set(arrived))
    held = sum(len(message) for message in requests._arriving.values())
    assert requests._arriving_bytes == held
