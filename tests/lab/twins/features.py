"""What an observer reads off one link without any key: sets of values, and numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.lab.twins.packets import CLIENT_HELLO, SERVER_HELLO, Datagram, Link

BOTH, READER, VOLUNTEER = "both", "reader", "volunteer"
SIZE_STEP_BYTES = 32
"""Sizes in the handshake are told in steps, because the length of a signature varies by itself."""
DTLS_VERSIONS = {"0xfefc": "d3", "0xfefd": "d2", "0xfeff": "d1"}
STUN_NAMES = {
    "0x0001": "MAPPED-ADDRESS",
    "0x0006": "USERNAME",
    "0x0008": "MESSAGE-INTEGRITY",
    "0x0009": "ERROR-CODE",
    "0x0020": "XOR-MAPPED-ADDRESS",
    "0x0024": "PRIORITY",
    "0x0025": "USE-CANDIDATE",
    "0x8022": "SOFTWARE",
    "0x8028": "FINGERPRINT",
    "0x8029": "ICE-CONTROLLED",
    "0x802a": "ICE-CONTROLLING",
    "0xc057": "NETWORK-COST",
}
REQUEST, SUCCESS = "0x0001", "0x0101"
SEALED = range(32, 64)
"""The first byte of a DTLS 1.3 record that is sealed (RFC 9147 §4); its two last bits are those of
the epoch."""
EPOCH_BITS, HANDSHAKE_EPOCH = 3, 2
CLEAR = range(20, 32)
"""The first byte of any other DTLS record."""
RTP = range(128, 192)
RTCP_KINDS = range(192, 224)
"""The second byte of RTCP, where RTP has marker and payload type (RFC 5761 §4)."""
ONE_BYTE_HEADERS = 0xBEDE
"""The profile of header extensions of one byte each (RFC 8285 §4.2)."""
VIDEO_HZ = 90_000


class Feature(NamedTuple):
    """The name of something that is compared, and whose packets show it."""

    name: str
    side: str

    def __str__(self) -> str:
        return f"{self.name} ({self.side})"


Value = frozenset[str] | float
"""The set of values that occur on a link, or a number that describes it."""
Features = dict[Feature, Value]


def describe(link: Link) -> Features:
    """Return all features of a link. A set is empty where a link has nothing of the kind."""
    found: Features = {Feature("nDPI", BOTH): frozenset([link.verdict] if link.verdict else [])}
    sides = {
        READER: [each for each in link.datagrams if each.source == link.reader],
        VOLUNTEER: [each for each in link.datagrams if each.source == link.volunteer],
    }
    duration_s = max(1.0, link.datagrams[-1].time_s - link.datagrams[0].time_s)
    for side, datagrams in sides.items():
        values = {**_ip(datagrams), **_stun(datagrams), **_dtls(datagrams)}
        # The volunteer's browser greets, and its hello is that of the side that answers an offer.
        values |= _client_hello(datagrams) if side == VOLUNTEER else _server_hello(datagrams)
        values |= {**_rtp(datagrams), **_rhythm(datagrams, duration_s)}
        found |= {Feature(name, side): value for name, value in values.items()}
    asked = frozenset(
        _attributes(each) for each in link.to_servers if REQUEST in each.values("stun.type")
    )
    found[Feature("STUN request to a server", READER)] = asked
    sizes = {side: sum(len(each.payload) for each in sent) for side, sent in sides.items()}
    total = sum(sizes.values())
    found[Feature("share of the bytes", READER)] = round(sizes[READER] / max(1, total), 3)
    found[Feature("kbit/s", BOTH)] = round(total * 8 / 1e3 / duration_s, 1)
    return found


def _ip(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    marks = frozenset(
        f"{'/'.join(each.values('ip.dsfield'))} DF={'/'.join(each.values('ip.flags.df'))}"
        for each in datagrams
    )
    return {"IP: DSCP, ECN, don't fragment": marks}


def _stun(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    said = [(each, each.values("stun.type")[0]) for each in datagrams if each.values("stun.type")]
    return {
        "STUN message types": frozenset(kind for _, kind in said),
        "STUN request": frozenset(_attributes(each) for each, kind in said if kind == REQUEST),
        "STUN success": frozenset(_attributes(each) for each, kind in said if kind == SUCCESS),
        "STUN SOFTWARE": frozenset(
            name for each, _ in said for name in each.values("stun.att.software")
        ),
    }


def _attributes(message: Datagram) -> str:
    """Return the attributes of a STUN message in their order, each with its length."""
    kinds, lengths = message.values("stun.att.type"), message.values("stun.att.length")
    pairs = zip(kinds, lengths, strict=False)
    return " ".join(f"{STUN_NAMES.get(kind, kind)}:{size}" for kind, size in pairs) or "nothing"


# --- DTLS -----------------------------------------------------------------------------------------


def _dtls(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    records = [each for each in datagrams if each.payload and each.payload[0] in (*CLEAR, *SEALED)]
    greeting = [each for each in records if each.values("dtls.handshake.type")]
    kinds = dict.fromkeys(kind for each in greeting for kind in each.values("dtls.handshake.type"))
    sizes = {len(each.payload) // SIZE_STEP_BYTES * SIZE_STEP_BYTES for each in greeting}
    return {
        "DTLS kinds of record": frozenset(_record_kind(each.payload) for each in records),
        "DTLS handshake in the clear": frozenset([",".join(kinds)] if kinds else []),
        "DTLS sizes of clear handshake": frozenset(f"{size}+" for size in sizes),
        "DTLS sealed handshake, bytes": float(
            sum(len(each.payload) for each in records if _is_sealed_handshake(each.payload))
        ),
        "DTLS alerts in the clear": frozenset(
            alert
            for each in records
            if _is_in_the_clear(each.payload)
            for alert in each.values("dtls.alert_message.desc")
        ),
    }


def _is_sealed_handshake(payload: bytes) -> bool:
    return payload[0] in SEALED and payload[0] & EPOCH_BITS == HANDSHAKE_EPOCH


def _is_in_the_clear(payload: bytes) -> bool:
    """Return whether a datagram's first record is of epoch 0 (RFC 6347 §4.1).

    `tshark` reads a number out of a sealed alert, too, which is another one in each link.
    """
    return payload[0] in CLEAR and payload[3:5] == b"\0\0"


def _record_kind(payload: bytes) -> str:
    """Return what the first bytes of a record tell, without the epoch's bits."""
    if payload[0] in CLEAR:
        return f"{payload[0]} {payload[1:3].hex()}"
    return f"sealed {payload[0] & ~EPOCH_BITS:02x}"


def _hello(datagrams: Sequence[Datagram], kind: str) -> Iterator[Datagram]:
    """Yield the datagrams in which `tshark` had the whole of a hello."""
    for each in datagrams:
        if kind in each.values("dtls.handshake.type") and each.values(
            "dtls.handshake.extension.type"
        ):
            yield each


def _client_hello(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    hellos = list(_hello(datagrams, CLIENT_HELLO))
    pieces = [each for each in datagrams if CLIENT_HELLO in each.values("dtls.handshake.type")]
    fragments = [each.values("dtls.handshake.fragment_length")[0] for each in pieces]
    # A hello that was sent again has the same pieces again.
    count = len(dict.fromkeys(fragments))

    def of(field: str) -> frozenset[str]:
        return frozenset(" ".join(each.values(f"dtls.{field}")) or "none" for each in hellos)

    return {
        "ClientHello versions": of("handshake.extensions.supported_version"),
        "ClientHello suites": of("handshake.ciphersuite"),
        "ClientHello extensions": frozenset(_extensions(each) for each in hellos),
        "ClientHello groups": of("handshake.extensions_supported_group"),
        "ClientHello key shares": of("handshake.extensions_key_share_group"),
        "ClientHello signatures": of("handshake.sig_hash_alg"),
        "ClientHello SRTP profiles": of("use_srtp.protection_profile"),
        "ClientHello fragments": frozenset([" ".join(fragments[:count])] if fragments else []),
        "ClientHello JA4": frozenset(map(ja4, hellos)),
    }


def _server_hello(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    hellos = list(_hello(datagrams, SERVER_HELLO))

    def of(field: str) -> frozenset[str]:
        return frozenset(" ".join(each.values(f"dtls.{field}")) or "none" for each in hellos)

    return {
        "ServerHello version": of("handshake.extensions.supported_version"),
        "ServerHello suite": of("handshake.ciphersuite"),
        "ServerHello extensions": frozenset(_extensions(each) for each in hellos),
        "ServerHello key share": of("handshake.extensions_key_share_group"),
    }


def _extensions(hello: Datagram) -> str:
    """Return the numbers of a hello's extensions, sorted: browsers send them in random order."""
    return " ".join(sorted(hello.values("dtls.handshake.extension.type"), key=int))


def ja4(hello: Datagram) -> str:
    """Return the JA4 of a ClientHello over DTLS (FoxIO's published description of JA4)."""
    versions = hello.values("dtls.handshake.extensions.supported_version")
    legacy = hello.values("dtls.handshake.version")
    version = min((*versions, *(legacy if not versions else ())), default="")
    suites = sorted(suite[2:] for suite in hello.values("dtls.handshake.ciphersuite"))
    kinds = [int(kind) for kind in hello.values("dtls.handshake.extension.type")]
    named = "d" if 0 in kinds else "i"
    counted = f"{min(99, len(suites)):02d}{min(99, len(kinds)):02d}"
    # Server name and ALPN are told by the first part already.
    extensions = ",".join(sorted(f"{kind:04x}" for kind in kinds if kind not in (0, 16)))
    signatures = ",".join(each[2:] for each in hello.values("dtls.handshake.sig_hash_alg"))
    tail = f"{extensions}_{signatures}" if signatures else extensions
    alpn = hello.values("dtls.handshake.extensions_alpn_str")
    spoken = f"{alpn[0][0]}{alpn[0][-1]}" if alpn else "00"
    head = f"d{DTLS_VERSIONS.get(version, '00')}{named}{counted}{spoken}"
    return f"{head}_{_digest(','.join(suites))}_{_digest(tail)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


# --- RTP and RTCP ---------------------------------------------------------------------------------


def _rtp(datagrams: Sequence[Datagram]) -> dict[str, Value]:
    media = [each.payload for each in datagrams if _is_media(each.payload)]
    packets = [data for data in media if data[1] not in RTCP_KINDS and len(data) >= 12]
    return {
        "RTP payload types": frozenset(
            f"{data[1] & 127}{' padded' if data[0] & 32 else ''}" for data in packets
        ),
        "RTP header extensions": frozenset(each for data in packets for each in extensions(data)),
        "RTP streams (SSRCs)": frozenset([str(len({data[8:12] for data in packets}))]),
        "RTCP kinds": frozenset(_rtcp_kind(data) for data in media if data[1] in RTCP_KINDS),
    }


def _is_media(payload: bytes) -> bool:
    return len(payload) >= 8 and payload[0] in RTP


def _rtcp_kind(data: bytes) -> str:
    """Return the kind of the first packet of a compound; SRTCP seals what follows its header.

    Whether it is padded depends on how many packets it reports on, which is chance.
    """
    return f"{data[1]}/{data[0] & 31}" if data[1] in (205, 206) else str(data[1])


def extensions(data: bytes) -> Iterator[str]:
    """Yield number and length of each header extension of an RTP packet (RFC 8285 §4.2)."""
    if not data[0] & 16:
        return
    at = 12 + 4 * (data[0] & 15)
    profile, words = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
    if profile != ONE_BYTE_HEADERS:
        yield f"profile {profile:04x}"
        return
    at, end = at + 4, min(len(data), at + 4 + 4 * words)
    while at < end:
        number, length = data[at] >> 4, (data[at] & 15) + 1
        if number == 0:
            at += 1
            continue
        yield f"{number}:{length}"
        at += 1 + length


def _rhythm(datagrams: Sequence[Datagram], duration_s: float) -> dict[str, Value]:
    media = [each.payload for each in datagrams if _is_media(each.payload)]
    pictures = {
        (data[8:12], data[4:8])
        for data in media
        if data[1] not in RTCP_KINDS and data[1] & 127 not in AUDIO_TYPES
    }
    counts = {
        "STUN requests a second": sum(REQUEST in each.values("stun.type") for each in datagrams),
        "RTCP packets a second": sum(data[1] in RTCP_KINDS for data in media),
        "video frames a second": len(pictures),
        "DTLS packets a second": sum(
            bool(each.payload) and each.payload[0] in (*CLEAR, *SEALED) for each in datagrams
        ),
    }
    return {name: round(count / duration_s, 2) for name, count in counts.items()}


AUDIO_TYPES = frozenset({0, 8, 9, 13, 63, 109, 110, 111, 126})
"""Payload types that Chromium and Firefox give to sound."""
