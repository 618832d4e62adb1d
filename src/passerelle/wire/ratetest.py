"""The test of a volunteer's rate: what volunteer and exit say to each other meanwhile.

It has a WebSocket of its own, which a ticket of the kind `test` opens. Binary messages are bytes
without a meaning; what counts is how many arrive. Text messages are JSON objects with a `type`:

| type   | from → to        | meaning                                                  |
|--------|------------------|----------------------------------------------------------|
| `down` | volunteer → exit | the exit may send so many bytes                          |
| `got`  | both ways        | so many bytes have arrived here, all of them together    |

The volunteer's first binary message ends what the exit sends. Neither side has more on its way than
`allowance` says, so that a slow line is free again soon after the test.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

Count = Annotated[int, Meta(ge=0, le=limits.RATE_TEST_BYTES)]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    bytes: Count


class Down(_Message, frozen=True, tag="down"):
    """The exit may send so many bytes, in binary messages."""


class Got(_Message, frozen=True, tag="got"):
    """Says how many bytes have arrived, all of them together."""


RateMessage = Down | Got
_decoder: msgspec.json.Decoder[RateMessage] = msgspec.json.Decoder(RateMessage)
_encoder = msgspec.json.Encoder()


def allowance(got: int, elapsed_s: float) -> int:
    """Return how many bytes may be on their way when `got` were acknowledged, in `elapsed_s`.

    It grows with what arrived, as TCP's own window does at the start, so that what a long line
    carries in a round trip is found out in some of them. It is no more than what arrives in a
    second, or a quarter of what arrived: what a slow line still holds at the end stays small.
    """
    in_a_second = got / elapsed_s if elapsed_s > 0 else 0
    least = limits.RATE_TEST_AHEAD_BYTES
    return max(least + got // 4, int(min(least + got, in_a_second)))


def encode(message: RateMessage) -> str:
    """Return `message` as JSON text."""
    return _encoder.encode(message).decode()


def decode(text: str) -> RateMessage:
    """Parse a message. Raises PeerError(MALFORMED or LIMIT)."""
    if len(text) > limits.RATE_TEST_TEXT_CHARS:
        raise PeerError(LinkCode.LIMIT, f"a message of a test of {len(text)} characters")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PeerError(LinkCode.MALFORMED, "a malformed message of a test") from error
