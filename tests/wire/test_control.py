from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import control
from passerelle.wire.description import Description, Setup
from tests.wire.strategies import CONTROLS, JSON_VALUES


def test_drain_round_trip() -> None:
    """A drain is one JSON object with its type and nothing else."""
    text = control.encode(control.RelayDrain())
    assert json.loads(text) == {"type": "drain"}
    assert control.decode(text) == control.RelayDrain()


def test_unknown_types_are_ignored() -> None:
    """A later version's message is not an error, and neither is a later field."""
    assert control.decode('{"type":"tomorrow","x":[1]}') is None
    assert control.decode('{"type":["drain"]}') is None
    assert control.decode('{"type":"drain","later":1}') == control.RelayDrain()


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '"drain"', "{", '{"type":"drain"', "\ud800", '{"a":' + "[" * 5000]
)
def test_malformed_text_is_a_peer_error(text: str) -> None:
    """Text that is no JSON object ends the link with `malformed`."""
    with pytest.raises(PeerError) as caught:
        control.decode(text)
    assert caught.value.code is LinkCode.MALFORMED


def test_length_is_limited() -> None:
    """One character beyond the limit is refused before it is parsed."""
    most = '{"type":"' + "x" * (limits.SIGNAL_MESSAGE_BYTES - 11) + '"}'
    assert len(most) == limits.SIGNAL_MESSAGE_BYTES
    assert control.decode(most) is None
    with pytest.raises(PeerError) as caught:
        control.decode(most + " ")
    assert caught.value.code is LinkCode.LIMIT


@given(st.text(max_size=200) | JSON_VALUES.map(json.dumps))
def test_garbage_gives_only_peer_errors(text: str) -> None:
    """No text does anything but parse, be ignored, or raise PeerError."""
    try:
        message = control.decode(text)
    except PeerError:
        return
    assert message is None or isinstance(message, control.Control)


@given(CONTROLS)
def test_messages_round_trip(message: control.Control) -> None:
    """Every control message reads back to itself."""
    assert control.decode(control.encode(message)) == message


def test_a_lane_shows_nothing_of_itself() -> None:
    """Neither ticket nor description reaches a log through repr."""
    description = Description("ufrag", "p" * 22, bytes(32), Setup.ACTPASS)
    assert repr(control.Lane(7, "secret", description)) == "<lane 7>"


def test_a_lane_without_its_parts_is_malformed() -> None:
    """A known type with the wrong fields ends the link."""
    with pytest.raises(PeerError) as caught:
        control.decode('{"type":"lane","lane":1}')
    assert caught.value.code is LinkCode.MALFORMED
