"""SDP for a browser's WebRTC stack: read out of what the stack says, made of checked fields.

What a peer says reaches the stack as a `Description` that this module's template turns into SDP;
text of theirs never does. `widget/src/core/wire/sdp.ts` is the page's half, with the same sections
in the same order (RFC 8829, RFC 8839, RFC 8841; docs/PROTOCOL.md §2 and §6.5). The client's Chrome
engine uses version 2; the stack in Python takes descriptions without SDP.
"""

from __future__ import annotations

import re

import msgspec

from passerelle import limits
from passerelle.wire.description import (
    CALL_MEDIA_VERSION,
    CHROME_MEDIA_VERSION,
    MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Candidate,
    CandidateKind,
    Description,
    Setup,
    canonical,
)

ONE_WAY_PAYLOADS = "97 98"
ONE_WAY = (
    "a=rtcp-mux",
    "a=rtcp-rsize",
    # The client measures queueing delay with this extension. Transport-wide feedback is left out,
    # because a browser that has it chooses the rate by itself.
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "a=rtpmap:97 VP8/90000",
    "a=rtcp-fb:97 nack",
    "a=rtcp-fb:97 goog-remb",
    # With a high start rate Chromium probes at once, with more padding than a slow path bears.
    "a=fmtp:97 x-google-start-bitrate=1000;x-google-max-bitrate=400000",
    "a=rtpmap:98 rtx/90000",
    "a=fmtp:98 apt=97",
)
"""Lines of a video of version 1: the client offers, only receives, and dictates the rate."""
VP8, RTX = 118, 97
"""Payload types of a video of version 2, as the path sees them between two Chromiums. Their VP8 is
118, because they wrap it for a correction of errors that is left out here; their padding is 97."""
BOTH_WAYS_PAYLOADS = f"{VP8} {RTX}"
CALL_PAYLOADS = "96 97 118 119 120"
"""VP8, RED and the correction of errors, as a Chromium numbers them in a call: RED wraps the VP8,
and VP8 and RED have retransmissions of their own."""
OPUS = 111
_SOUND_EXTENSIONS = {
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": 1,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": 2,
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 3,
    "urn:ietf:params:rtp-hdrext:sdes:mid": 4,
}
_EXTENSIONS = {
    "urn:ietf:params:rtp-hdrext:toffset": 14,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": 2,
    "urn:3gpp:video-orientation": 13,
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 3,
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay": 5,
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type": 6,
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing": 7,
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space": 8,
    "urn:ietf:params:rtp-hdrext:sdes:mid": 4,
}
"""Header extensions, with the numbers that they have in a Chromium's call with sound. Anybody on
the path can read the numbers."""


def _vp8(number: int) -> tuple[str, ...]:
    return (
        *(f"a=extmap:{extension} {name}" for name, extension in _EXTENSIONS.items()),
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{number} VP8/90000",
        f"a=rtcp-fb:{number} goog-remb",
        f"a=rtcp-fb:{number} transport-cc",
        f"a=rtcp-fb:{number} ccm fir",
        f"a=rtcp-fb:{number} nack",
        f"a=rtcp-fb:{number} nack pli",
    )


BOTH_WAYS = (
    *_vp8(VP8),
    f"a=rtpmap:{RTX} rtx/90000",
    f"a=fmtp:{RTX} apt={VP8}",
)
"""Lines of a video of version 2: as in a call."""
HELD_RATE = (
    f"a=fmtp:{VP8} x-google-start-bitrate=160000;"
    "x-google-min-bitrate=160000;x-google-max-bitrate=160000"
)
"""What an offer of version 2 says of rates, to the relay's stack. Its estimate stays there, and the
client's window decides. An estimate that is free takes a loss of a twentieth for congestion, falls
to nothing, and is raised again by padding."""
FREE_RATE = f"a=fmtp:{VP8} x-google-start-bitrate=5000;x-google-max-bitrate=400000"
"""What an answer says, to the client's stack, which chooses the rate of uploads itself. A call in
high definition begins with about this rate."""


def _reports(*numbers: int) -> tuple[str, ...]:
    return ("a=rtcp-xr:rcvr-rtt=all", *(f"a=rtcp-fb:{number} rrtr" for number in numbers))


SOUND = (
    *(f"a=extmap:{number} {name}" for name, number in _SOUND_EXTENSIONS.items()),
    "a=rtcp-mux",
    "a=rtcp-rsize",
    f"a=rtpmap:{OPUS} opus/48000/2",
    *_reports(OPUS),
    f"a=rtcp-fb:{OPUS} transport-cc",
    f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
)
"""Lines of the sound of version 3."""
CALL = (
    *_vp8(96),
    *_reports(*map(int, CALL_PAYLOADS.split())),
    *("a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:118 red/90000"),
    *("a=rtpmap:119 rtx/90000", "a=fmtp:119 apt=118", "a=rtpmap:120 ulpfec/90000"),
)
"""Lines of a video of version 3: two Chromiums', with no rates of ours."""
LACKS_REPORTS = 0
"""Stands in `Description.lacks` for the extended reports of RFC 3611, with which Chromiums measure
round trips: each makes a report of theirs longer, which anybody on the path can see."""


def to_sdp(description: Description, *, refuse_media: bool = False) -> str:
    """Return the SDP that a stack takes for `description`.

    `refuse_media` is for an answer without video to an offer of version 2. The section stays, with
    nothing in it, because the transport that it shares with the channel began there.
    """
    transport = (
        f"a=ice-ufrag:{description.ufrag}",
        f"a=ice-pwd:{description.pwd}",
        "a=fingerprint:sha-256 " + description.fingerprint.hex(":").upper(),
        f"a=setup:{description.setup.value}",
    )
    candidates = [_line(index, each) for index, each in enumerate(description.candidates)]

    def media(kind: str, mid: int, payloads: str, *lines: str) -> list[str]:
        head = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {payloads}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}"]
        return [*head, *transport, *lines]

    def channel(mid: int) -> list[str]:
        head = ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0")
        # A browser refuses to send what is larger than the other side takes.
        number_bytes = MESSAGE_NUMBER_BYTES if description.has_media else 0
        most_bytes = limits.LINK_MESSAGE_BYTES + number_bytes
        tail = ("a=sctp-port:5000", f"a=max-message-size:{most_bytes}")
        return [*head, f"a=mid:{mid}", *transport, *tail]

    both = "a=sendrecv"
    offered = description.setup is Setup.ACTPASS
    both_ways = (*BOTH_WAYS, HELD_RATE if offered else FREE_RATE)
    match description.media:
        case _ if refuse_media:
            sections = [media("video", 0, BOTH_WAYS_PAYLOADS, "a=inactive", *both_ways), channel(1)]
        case msgspec.UNSET:
            sections = [channel(0)]
        case version if version == CHROME_MEDIA_VERSION:
            sections = [media("video", 0, BOTH_WAYS_PAYLOADS, both, *both_ways), channel(1)]
        case version if version == CALL_MEDIA_VERSION:
            sound, video = _taken(description.lacks or ())
            sections = [
                media("audio", 0, str(OPUS), both, *sound),
                media("video", 1, CALL_PAYLOADS, both, *video),
                channel(2),
            ]
        case _:
            only = "a=recvonly" if offered else "a=sendonly"
            sections = [channel(0), media("video", 1, ONE_WAY_PAYLOADS, only, *ONE_WAY)]
    # The sections come in the order in which the client's stack has them, and the first one's
    # transport is that of all.
    sections[0] += candidates
    bundle = " ".join(map(str, range(len(sections))))
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=group:BUNDLE {bundle}"]
    for section in sections:
        lines += section
    return "\r\n".join(lines) + "\r\n"


def _taken(lacks: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Return the lines of a call's sound and video without those that a browser refused."""
    refused = tuple(f"a=extmap:{number} " for number in lacks)
    reports = _reports(OPUS, *map(int, CALL_PAYLOADS.split())) if LACKS_REPORTS in lacks else ()
    return (
        [line for line in SOUND if line not in reports],
        [line for line in CALL if line not in reports and not line.startswith(refused)],
    )


def _line(index: int, candidate: Candidate) -> str:
    head = f"a=candidate:{index + 1} 1 udp {candidate.priority(index)}"
    where = f"{candidate.ip} {candidate.port} typ {candidate.kind.value}"
    if candidate.kind is CandidateKind.HOST:
        return f"{head} {where}"
    # The related address is private and helps nobody, and RFC 8839 §5.1 allows 0.0.0.0 9 for it.
    return f"{head} {where} raddr 0.0.0.0 rport 9"


_EXTMAP = re.compile(r"^a=extmap:(\d+) (\S+)", re.MULTILINE)
_PAYLOAD = re.compile(r"^(a=(?:rtpmap|rtcp-fb|fmtp):)(\d+)\b", re.MULTILINE)
_APT = re.compile(r"\bapt=(\d+)")
_PAYLOADS = re.compile(r"^(m=video \S+ \S+)((?: \d+)+)", re.MULTILINE)
_CODECS = re.compile(r"^a=rtpmap:(\d+) (VP8|red|ulpfec)/90000", re.MULTILINE)
_REPAIRS = re.compile(r"^a=fmtp:(\d+) apt=(\d+)", re.MULTILINE)
_NUMBERS = {"VP8": (VP8, RTX)}
_CALL_NUMBERS = {"VP8": (96, 97), "red": (118, 119), "ulpfec": (120, 0)}
"""Payload type of each codec, and that of its retransmissions."""


def renumber(sdp: str) -> str:
    """Return the offer of one's own stack with the numbers that `to_sdp` gives to its video.

    The offer has VP8 with its retransmissions, and in a call, which has sound, RED and ULPFEC. An
    extension that `to_sdp` does not name keeps its number.
    """
    ours = _CALL_NUMBERS if _SOUND.search(sdp) else _NUMBERS
    codecs = {number: codec for number, codec in _CODECS.findall(sdp) if codec in ours}
    types = {number: str(ours[codec][0]) for number, codec in codecs.items()}
    types |= {
        number: str(ours[codecs[repaired]][1])
        for number, repaired in _REPAIRS.findall(sdp)
        if repaired in codecs
    }

    def new(number: str) -> str:
        return types.get(number, number)

    def extension(line: re.Match[str]) -> str:
        return f"a=extmap:{_EXTENSIONS.get(line[2], line[1])} {line[2]}"

    sdp = _EXTMAP.sub(extension, sdp)
    sdp = _PAYLOADS.sub(lambda line: " ".join([line[1], *map(new, line[2].split())]), sdp)
    sdp = _PAYLOAD.sub(lambda line: line[1] + new(line[2]), sdp)
    return _APT.sub(lambda found: f"apt={new(found[1])}", sdp)


_ATTRIBUTES = {
    name: re.compile(rf"^a={name}:(\S+)\r?$", re.MULTILINE)
    for name in ("ice-ufrag", "ice-pwd", "setup")
}
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-256 ([0-9A-Fa-f:]{95})\r?$", re.MULTILINE)
_CANDIDATE = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (host|srflx)\b", re.MULTILINE | re.IGNORECASE
)
_VIDEO = re.compile(
    r"^m=video [1-9](?:.|\n)*?^a=(sendrecv|sendonly|recvonly|inactive)\r?$", re.MULTILINE
)
"""A port of 0 would be a refusal, and so would `inactive`."""
_SOUND = re.compile(r"^m=audio [1-9](?:(?!^m=)(?:.|\n))*?^a=sendrecv\r?$", re.MULTILINE)
_VERSIONS = {
    "sendrecv": CHROME_MEDIA_VERSION,
    "sendonly": MEDIA_VERSION,
    "recvonly": MEDIA_VERSION,
}


def from_own_sdp(sdp: str) -> Description:
    """Read a description out of the SDP that one's own stack made.

    Candidates that are not plain UDP addresses (names, TCP, relayed) are left out, as are those
    beyond `limits.CANDIDATES`. Raises ValueError when something is missing.
    """
    fingerprint = _FINGERPRINT.search(sdp)
    if fingerprint is None:
        raise ValueError("no SHA-256 fingerprint in the SDP")
    video = _VIDEO.search(sdp)
    version = _VERSIONS.get(video[1]) if video is not None else None
    if version == CHROME_MEDIA_VERSION and _SOUND.search(sdp):
        version = CALL_MEDIA_VERSION
    return msgspec.convert(
        {
            **({} if version is None else {"media": version}),
            "ufrag": _attribute(sdp, "ice-ufrag"),
            "pwd": _attribute(sdp, "ice-pwd"),
            "fingerprint": bytes.fromhex(fingerprint[1].replace(":", "")),
            "setup": _attribute(sdp, "setup"),
            "candidates": _own_candidates(sdp),
        },
        Description,
    )


def _attribute(sdp: str, name: str) -> str:
    found = _ATTRIBUTES[name].search(sdp)
    if found is None:
        raise ValueError(f"no {name} in the SDP")
    return found[1]


def _own_candidates(sdp: str) -> list[tuple[str, str, int]]:
    found = []
    for ip, port, kind in _CANDIDATE.findall(sdp):
        try:
            plain = canonical(ip)
        except ValueError:
            # Mostly a browser's .local (mDNS) name: resolving it costs the far side a second, and
            # the peer is found as a peer-reflexive candidate anyway.
            continue
        found.append((kind.lower(), plain, int(port)))
    return found[: limits.CANDIDATES]
