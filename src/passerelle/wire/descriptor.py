"""The signed network descriptor: the one document everybody in a network trusts.

On the wire it is JSON, `{"payload": TEXT, "signature": BASE64}`. `payload` is itself JSON text. The
Ed25519 signature covers a context string and that text's exact UTF-8 bytes, so no canonical form of
JSON is needed.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire import ways
from passerelle.wire.signalling import ExitId
from passerelle.wire.ways import DirectWay, Way

FORMAT = 1
_CONTEXT = b"passerelle descriptor 1 "

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Url = Annotated[str, Meta(min_length=8, max_length=256)]


class BrokerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A broker: its address, its keys, and the ways by which readers reach it."""

    url: Url
    """Base URL (`https:`), without a trailing slash."""
    seal_key: Key
    """X25519 key to which rendezvous requests are sealed."""
    ticket_key: Key
    """Ed25519 key that checks the broker's tickets."""
    ways: Annotated[tuple[dict[str, Any], ...], Meta(max_length=limits.WAYS)] = ()
    """All ways to the broker (`wire.ways`), the best first; without any, `url` is the only one.
    They stay undecoded here, so that this version can read a descriptor with kinds of a later
    one."""

    def __post_init__(self) -> None:
        _require_scheme(self.url, "https", "http")

    @property
    def known_ways(self) -> tuple[Way, ...]:
        """The ways that this version understands."""
        return ways.read(self.ways) if self.ways else (DirectWay(),)


class GatewayEntry(msgspec.Struct, frozen=True):
    """What a reading page needs to ask an exit for the publisher's site (`wire.oblivious`)."""

    sites: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...],
        Meta(min_length=1, max_length=limits.GATEWAY_SITES),
    ]
    """The names that the gateway serves, as `core.address.policy.parse_site` returns them."""
    first_day: Annotated[int, Meta(ge=0, lt=2**24)]
    """The day on which the first key begins, in days of 86,400 s since 1970. Each further key
    begins a day later, and each is valid for two days."""
    keys: Annotated[
        tuple[Annotated[bytes, Meta(min_length=41, max_length=41)], ...],
        Meta(min_length=1, max_length=limits.GATEWAY_KEYS),
    ]
    """Key configurations (RFC 9458 §3.1)."""


class ExitEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exit: the address that volunteers connect to, and the key that it must prove to have."""

    id: ExitId
    url: Url
    """URL of the link endpoint (`wss:`)."""
    spki_sha256: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=4)]
    """SHA-256 of the public key in the exit's link TLS (SPKI); several while keys change."""
    direct: bool = False
    """Whether clients may open links themselves, without a volunteer, as networks that block UDP
    need. The exit's address is then exposed to censors."""
    gateway: GatewayEntry | None = None
    """What the exit's gateway serves; None if it has none."""

    def __post_init__(self) -> None:
        _require_scheme(self.url, "wss", "ws")


class DoorEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A web server of somebody else that passes sealed messages on (`wire.doors`)."""

    url: Url
    """Base URL (`https:`), without a trailing slash."""
    links: bool = False
    """Whether WebSockets pass it, too."""

    def __post_init__(self) -> None:
        ways.require_http(self.url)


class Descriptor(msgspec.Struct, frozen=True):
    """One network. Unknown fields are ignored, because later versions may add some."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    issued_s: Annotated[int, Meta(ge=0, lt=2**48)]
    """Unix time of the signature; of two descriptors the later one counts."""
    expires_s: Annotated[int, Meta(ge=0, lt=2**48)]
    brokers: Annotated[
        tuple[BrokerEntry, ...], Meta(min_length=1, max_length=limits.DESCRIPTOR_ENTRIES)
    ]
    exits: Annotated[
        tuple[ExitEntry, ...], Meta(min_length=1, max_length=limits.DESCRIPTOR_ENTRIES)
    ]
    stun: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^stun:[^\s,]{1,250}\Z")], ...],
        Meta(max_length=limits.DESCRIPTOR_ENTRIES),
    ] = ()
    """STUN servers, as `stun:host:port`."""
    doors: Annotated[tuple[DoorEntry, ...], Meta(max_length=limits.DOORS)] = ()
    """Doors that worked when this was signed. Each leads to a broker with the first one's keys, and
    to every exit."""
    private_candidates: bool = False
    """Whether peers may name private addresses, as in a laboratory."""
    format: int = FORMAT

    def exit(self, exit_id: str) -> ExitEntry | None:
        """Return the exit called `exit_id`, or None."""
        return next((entry for entry in self.exits if entry.id == exit_id), None)


def _require_scheme(url: str, *schemes: str) -> None:
    # urlsplit drops line ends, and checks the port only when it is read.
    if not url.isprintable() or " " in url:
        raise ValueError("a URL with blanks or control characters")
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError(f"not a {schemes[0]} URL")


class _Envelope(msgspec.Struct, frozen=True):
    payload: str
    signature: bytes


_encoder = msgspec.json.Encoder()
_descriptor_decoder = msgspec.json.Decoder(Descriptor)
_envelope_decoder = msgspec.json.Decoder(_Envelope)


def sign(descriptor: Descriptor, operator_key: Ed25519PrivateKey) -> bytes:
    """Return the signed document."""
    payload = _encoder.encode(descriptor)
    signature = operator_key.sign(_CONTEXT + payload)
    return _encoder.encode(_Envelope(payload.decode(), signature))


def verify(document: bytes, operator_key: bytes, *, now_s: float) -> Descriptor:
    """Return the descriptor if `operator_key` (32 bytes) signed it and it has not expired.

    Raises ConfigError with a sentence for a person: only the network's operator, or somebody on the
    way, can put it right.
    """
    if len(document) > limits.DESCRIPTOR_BYTES:
        raise _bad("is too large")
    try:
        envelope = _envelope_decoder.decode(document)
        signed = envelope.payload.encode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _bad("is not a network description") from None
    try:
        key = Ed25519PublicKey.from_public_bytes(operator_key)
        key.verify(envelope.signature, _CONTEXT + signed)
    except (InvalidSignature, ValueError):
        raise ConfigError(
            "The network's description is not signed by the key in the invite: somebody may be "
            "altering it on the way, or the invite belongs to another network. Get a fresh invite "
            "from a source you trust."
        ) from None
    try:
        descriptor = _descriptor_decoder.decode(signed)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _bad("is in a form this version cannot read; update Passerelle") from None
    if descriptor.format != FORMAT:
        raise _bad("is of a later format; update Passerelle")
    if now_s > descriptor.expires_s:
        raise _bad(
            "has expired. Check this computer's date; if it is right, ask the operator to renew it"
        )
    return descriptor


def _bad(reason: str) -> ConfigError:
    return ConfigError(f"The network's description {reason}.")
