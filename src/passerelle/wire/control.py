"""What a relay says about a link, beside the link's own bytes.

A relay cannot write inside a link's TLS. On both of its sides, DataChannel and WebSocket, binary
messages are the link's and are copied untouched; *text* messages are between the relay and that
side, and are never copied. Each is one JSON object with a `type`; unknown types are ignored.

| type    | from → to            | meaning                                                   |
|---------|----------------------|-----------------------------------------------------------|
| `drain` | relay → client, exit | this link will close within two seconds: move off it now  |
"""

from __future__ import annotations

import msgspec

from passerelle import limits
from passerelle.errors import LinkCode, PeerError


class Drain(msgspec.Struct, frozen=True, tag_field="type", tag="drain"):
    """The relay is about to leave."""


Control = Drain

_decoder = msgspec.json.Decoder(Drain)
_kind_decoder = msgspec.json.Decoder(dict[str, object])
_encoder = msgspec.json.Encoder()


def encode(message: Control) -> str:
    """Return `message` as JSON text."""
    return _encoder.encode(message).decode()


def decode(text: str) -> Control | None:
    """Parse a control message; None for a type this version does not know.

    Raises PeerError(MALFORMED or LIMIT).
    """
    if len(text) > limits.SIGNAL_MESSAGE_BYTES:
        raise PeerError(LinkCode.LIMIT, f"a control message of {len(text)} characters")
    try:
        if _kind_decoder.decode(text).get("type") != "drain":
            return None
        return _decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PeerError(LinkCode.MALFORMED, "a malformed control message") from error
