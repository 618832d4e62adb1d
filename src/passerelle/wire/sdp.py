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
CALL_PAYLOADS = f"{VP8} {RTX}"
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
CALL = (
    *(f"a=extmap:{number} {name}" for name, number in _EXTENSIONS.items()),
    "a=rtcp-mux",
    "a=rtcp-rsize",
    f"a=rtpmap:{VP8} VP8/90000",
    f"a=rtcp-fb:{VP8} goog-remb",
    f"a=rtcp-fb:{VP8} transport-cc",
    f"a=rtcp-fb:{VP8} ccm fir",
    f"a=rtcp-fb:{VP8} nack",
    f"a=rtcp-fb:{VP8} nack pli",
    # A call in high definition begins with about this rate.
    f"a=fmtp:{VP8} x-google-start-bitrate=5000;x-google-max-bitrate=400000",
    f"a=rtpmap:{RTX} rtx/90000",
    f"a=fmtp:{RTX} apt={VP8}",
)
"""Lines of a video of version 2: as in a call, at rates that two browsers' stacks choose."""


def to_sdp(description: Description, *, refuse_media: bool = False) -> str:
    """Return the SDP that a stack takes for `description`.

    `refuse_media` is for an answer without video to an offer of version 2. The section stays, with
    nothing in it, because the transport that it shares with the channel began there.
    """
    has_call = description.media == CHROME_MEDIA_VERSION
    transport = (
        f"a=ice-ufrag:{description.ufrag}",
        f"a=ice-pwd:{description.pwd}",
        "a=fingerprint:sha-256 " + description.fingerprint.hex(":").upper(),
        f"a=setup:{description.setup.value}",
    )
    candidates = [_line(index, each) for index, each in enumerate(description.candidates)]

    def video(mid: int, payloads: str, *lines: str) -> list[str]:
        head = [f"m=video 9 UDP/TLS/RTP/SAVPF {payloads}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}"]
        return [*head, *transport, *lines]

    # A browser refuses to send what is larger than the other side takes.
    most_bytes = limits.LINK_MESSAGE_BYTES + (MESSAGE_NUMBER_BYTES if description.has_media else 0)
    mid = 1 if has_call or refuse_media else 0
    direction = "a=inactive" if refuse_media else "a=sendrecv"
    channel = [
        *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", f"a=mid:{mid}"),
        *(*transport, "a=sctp-port:5000", f"a=max-message-size:{most_bytes}"),
    ]
    bundle = "0 1" if description.has_media or refuse_media else "0"
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=group:BUNDLE {bundle}"]
    # The sections come in the order in which the client's stack has them.
    if mid:
        lines += [*video(0, CALL_PAYLOADS, direction, *CALL), *candidates, *channel]
    else:
        lines += [*channel, *candidates]
        if description.has_media:
            offered = description.setup is Setup.ACTPASS
            only = "a=recvonly" if offered else "a=sendonly"
            lines += video(1, ONE_WAY_PAYLOADS, only, *ONE_WAY)
    return "\r\n".join(lines) + "\r\n"


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
_CODECS = re.compile(r"^a=rtpmap:(\d+) (VP8|rtx)/90000", re.MULTILINE)


def renumber(sdp: str) -> str:
    """Return the offer of one's own stack with the numbers that `to_sdp` gives to a call's video.

    The offer has VP8 and its retransmissions, and no other codec. An extension that `to_sdp` does
    not name keeps its number.
    """
    ours = {"VP8": str(VP8), "rtx": str(RTX)}
    types = {number: ours[codec] for number, codec in _CODECS.findall(sdp)}

    def new(number: str) -> str:
        return types.get(number, number)

    sdp = _EXTMAP.sub(lambda line: f"a=extmap:{_EXTENSIONS.get(line[2], line[1])} {line[2]}", sdp)
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
