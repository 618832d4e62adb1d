"""What a client and its engine's process say to each other, beside the messages of links.

Each names a link by a number that the client has given. Both ends check what they read: the process
is fed by strangers, and whoever has taken it over is a stranger, too.

| from the client | means |
|---|---|
| `Gather` | make an offer; `Gathered` or `Failed` follows |
| `Accept` | answer a client's offer; `Gathered` or `Failed` follows |
| `Open` | wait until the answered link is open; `Connected` or `Failed` follows |
| `Connect` | connect it with an answer; `Connected` or `Failed` follows |
| `Start` | hand over what arrives; until then nothing is |
| `RoundTrip` | the smallest round trip to the far end of the link |
| `Text` | send a control message |
| `End` | send what is queued, then close; `Gone` follows |
| `Drop` | close at once; nothing follows |

| from the process | means |
|---|---|
| `Text` | the relay said something |
| `Told` | the windows of the link |
| `Sent` | so much of an answered link has left |
| `Silence` | nothing comes any more from the client of an answered link, or something does again |
| `Lost` | the link ended by itself |

A client makes offers. A volunteer's program, which has a process of the same kind, answers them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.wire.description import Description

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=0, le=1 << 48)]
LinkNumber = Annotated[int, Meta(ge=1, lt=1 << 32)]
Reason = Annotated[str, Meta(max_length=limits.ENGINE_REASON_CHARACTERS)]


class _Order(msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    link: LinkNumber


class Gather(_Order, frozen=True):
    """Make an offer. See `ChromeOffer.gather`."""

    stun: tuple[str, ...]
    private: bool
    media: bool
    call: bool
    """Whether the link is to look like a video call."""


class Accept(_Order, frozen=True):
    """Answer an offer. See `ChromeAnswer.make`."""

    offer: Description
    stun: tuple[str, ...]
    private: bool


class Open(_Order, frozen=True):
    """Wait until the client has come. See `ChromeAnswer.opened`."""

    timeout_s: Seconds


class Connect(_Order, frozen=True):
    """Connect an offer. See `ChromeOffer.connect`."""

    answer: Description
    timeout_s: Seconds


class Start(_Order, frozen=True):
    """Deliver from now on."""


class RoundTrip(_Order, frozen=True):
    """Know the smallest round trip to the far end of the link."""

    rtt_s: Seconds


class Text(_Order, frozen=True):
    """A control message, to the relay or from it."""

    text: str


class End(_Order, frozen=True):
    """Send what is queued, then close."""


class Drop(_Order, frozen=True):
    """Close at once."""


class Gathered(_Order, frozen=True):
    """The offer is made."""

    description: Description


class Told(_Order, frozen=True):
    """The windows of a link. See `Transport.windows`."""

    send: Count
    receive: Count
    is_silent: bool


class Connected(_Order, frozen=True):
    """The link is open."""

    steps: tuple[tuple[str, Seconds], ...]
    windows: Told | None


class Failed(_Order, frozen=True):
    """The offer could not be made or connected, and is closed."""

    code: LinkCode
    reason: Reason


class Sent(_Order, frozen=True):
    """How many bytes of the link's messages do not wait any more, since its beginning."""

    bytes: Count


class Silence(_Order, frozen=True):
    """Whether the client has fallen silent, so that it may be gone."""

    is_silent: bool


class Lost(_Order, frozen=True):
    """The link ended by itself."""

    code: LinkCode
    reason: Reason


class Gone(_Order, frozen=True):
    """The link's sockets are closed."""


FromClient = Gather | Accept | Open | Connect | Start | RoundTrip | Text | End | Drop
FromProcess = Gathered | Connected | Failed | Text | Told | Sent | Silence | Lost | Gone
