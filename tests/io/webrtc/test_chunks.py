from __future__ import annotations

import struct

import pytest

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.io.webrtc import chunks
from passerelle.io.webrtc.ortc import DataChunk, InitChunk, SackChunk

# isort: split
from aiortc.rtcsctptransport import Chunk, HeartbeatChunk, ReconfigChunk, serialize_packet


def packet(*parts: Chunk | bytes) -> bytes:
    return bytes(12) + b"".join(bytes(part) for part in parts)


def chunk(kind: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("!BBH", kind, 0, len(value) + 4 if length is None else length) + value


def parameter(length: int) -> bytes:
    return struct.pack("!HH", 1, length)


def data() -> DataChunk:
    made = DataChunk(flags=3)
    made.user_data = b"x"
    return made


def test_what_browsers_send_passes() -> None:
    """A beginning, a heartbeat, an acknowledgement with gaps, many small messages, a reset."""
    init = InitChunk()
    init.params = [(0xC000, b""), (0x8008, b"\xc0\x82"), (0x8003, bytes(6))]
    heartbeat = HeartbeatChunk()
    heartbeat.params = [(1, bytes(22))]
    sack = SackChunk()
    sack.cumulative_tsn, sack.advertised_rwnd = 5, 1000
    sack.gaps = [(2, 3)] * 20
    reset = ReconfigChunk()
    reset.params = [(13, bytes(14))]
    for sound in (init, heartbeat, reset):
        assert chunks.judge(serialize_packet(5000, 5000, 0, sound)) == 1
    assert chunks.judge(packet(sack, *[data() for _ in range(58)])) == 0


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        # aiortc walks through parameters by their lengths, and so never ends with the first.
        (packet(chunk(4, parameter(0))), LinkCode.MALFORMED),
        (packet(chunk(130, parameter(3))), LinkCode.MALFORMED),
        (packet(chunk(1, bytes(16) + parameter(0))), LinkCode.MALFORMED),
        (packet(chunk(5, parameter(9))), LinkCode.MALFORMED),
        (packet(chunk(0, b"", length=0)), LinkCode.MALFORMED),
        (packet(chunk(0, b"", length=100)), LinkCode.MALFORMED),
        (packet(chunk(4, b"") * 200), LinkCode.LIMIT),
        (packet(chunk(4, parameter(4) * (limits.CHANNEL_PARAMETERS + 1))), LinkCode.LIMIT),
        (packet(chunk(192, bytes(4))), LinkCode.UNEXPECTED),
    ],
)
def test_what_no_browser_sends_is_refused(hostile: bytes, code: LinkCode) -> None:
    with pytest.raises(PeerError) as caught:
        chunks.judge(hostile)
    assert caught.value.code is code
