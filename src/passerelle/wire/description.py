"""Compact session descriptions: the few checked fields that peers exchange instead of SDP.

No SDP text of one peer ever reaches the WebRTC stack of another. A browser reads a `Description`
out of its own SDP and gets the far side's back as SDP from a strict template
(`widget/src/core/wire/sdp.ts`); the client talks to its stack's parts and uses no SDP at all.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from passerelle import limits

IceText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]+\Z")]
"""Text of ICE characters only (RFC 8839 §5.4). The pattern ends in backslash Z, because `$` matches
before a newline too."""

DATA_CHANNEL_ID = 0
"""Id of a link's DataChannel. Both sides create it as negotiated, so it can be used as soon as SCTP
can, without a round trip for DCEP."""

MEDIA_VERSION = 1
"""Format of the frames of a media link whose client is our own stack (`core.media.video`)."""
CHROME_MEDIA_VERSION = 2
"""Format of the frames of a media link with a browser's stack at both ends (`core.media.frame`)."""
CALL_MEDIA_VERSION = 3
"""The same frames in a link that has sound too and keeps to a call's rates: they carry messages in
pieces (`core.media.pieces`)."""
MESSAGE_NUMBER_BYTES = 4
"""Length of the number in front of each binary message to the client on a media link's
DataChannel."""


class Setup(enum.Enum):
    """DTLS role (RFC 8842)."""

    ACTPASS = "actpass"
    ACTIVE = "active"
    PASSIVE = "passive"


class CandidateKind(enum.Enum):
    """ICE candidate type; relayed and TCP candidates are never used."""

    HOST = "host"
    REFLEXIVE = "srflx"


_PRIORITIES = {CandidateKind.HOST: 2130706431, CandidateKind.REFLEXIVE: 1694498815}
"""Priorities of the first candidate of each kind: UDP, one component, no preference."""


class Candidate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A UDP address at which a peer may be found. Its `repr` withholds it."""

    kind: CandidateKind
    ip: Annotated[str, Meta(min_length=2, max_length=45)]
    port: Annotated[int, Meta(ge=1, le=65535)]

    def __post_init__(self) -> None:
        if canonical(self.ip) != self.ip:
            raise ValueError("an address must be written in its canonical form")

    def priority(self, index: int) -> int:
        """Return the ICE priority of candidate `index` of a description (RFC 8445 §5.1.2)."""
        return _PRIORITIES[self.kind] - index

    def __repr__(self) -> str:
        return f"<{self.kind.value} candidate withheld>"


def canonical(text: str) -> str:
    """Return the canonical form of an IP address.

    Raises ValueError when `text` is no address that a peer may name.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and (
        # A zone may hold any text, line ends included, and means nothing on another machine. A
        # mapped address is written in another way by each version of Python.
        address.scope_id is not None or address.ipv4_mapped is not None
    ):
        raise ValueError("an IPv6 address with a zone, or a mapped one")
    return str(address)


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a DataChannel transport."""

    ufrag: Annotated[IceText, Meta(min_length=4, max_length=64)]
    pwd: Annotated[IceText, Meta(min_length=22, max_length=64)]
    fingerprint: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """SHA-256 of the DTLS certificate."""
    setup: Setup
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=limits.CANDIDATES)] = ()
    media: Annotated[int, Meta(ge=1, le=255)] | msgspec.UnsetType = msgspec.UNSET
    """Format of a media link's frames: an offer names the newest one its sender knows, an answer
    the one that is used. Unset where there is no video."""
    lacks: (
        Annotated[tuple[Annotated[int, Meta(ge=0, le=14)], ...], Meta(max_length=limits.EXTENSIONS)]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    """What of a call the browser refused: the numbers of the video's header extensions, and 0 for
    the extended reports (`sdp.LACKS_REPORTS`). Only an answer of `CALL_MEDIA_VERSION` has it."""

    @property
    def has_media(self) -> bool:
        """Whether a video belongs to the transport."""
        return self.media is not msgspec.UNSET

    def with_candidates(self, candidates: Iterable[Candidate]) -> Self:
        """Return the same description with other candidates."""
        return msgspec.structs.replace(self, candidates=tuple(candidates))

    def __repr__(self) -> str:
        return f"<description with {len(self.candidates)} candidates>"
