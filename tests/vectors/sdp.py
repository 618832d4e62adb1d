"""The SDP template of PROTOCOL.md §2 in Python: the widget's tests compare their own with it.

It describes one DataChannel transport (RFC 8841, RFC 8839) and, where both sides do media links,
one video from volunteer to client (RFC 8829, RFC 4585, RFC 4588) bundled with it.
"""

from __future__ import annotations

import re

import msgspec

from passerelle import limits
from passerelle.wire.description import (
    MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Candidate,
    CandidateKind,
    Description,
    Setup,
    canonical,
)

_HOST_PRIORITY = 2130706431
_REFLEXIVE_PRIORITY = 1694498815

VIDEO_HEAD = ("m=video 9 UDP/TLS/RTP/SAVPF 97 98", "c=IN IP4 0.0.0.0", "a=mid:1")
VIDEO_TAIL = (
    "a=rtcp-mux",
    "a=rtcp-rsize",
    # Queueing delay is measured from it. No transport-wide feedback: a browser would pace by that.
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "a=rtpmap:97 VP8/90000",
    "a=rtcp-fb:97 nack",
    "a=rtcp-fb:97 goog-remb",
    # With a high start rate Chromium probes at once, with more padding than a slow path bears.
    "a=fmtp:97 x-google-start-bitrate=1000;x-google-max-bitrate=400000",
    "a=rtpmap:98 rtx/90000",
    "a=fmtp:98 apt=97",
)


def to_sdp(description: Description) -> str:
    """Return the SDP that a WebRTC stack takes for `description`."""
    fingerprint = ":".join(f"{byte:02X}" for byte in description.fingerprint)
    transport = [
        f"a=ice-ufrag:{description.ufrag}",
        f"a=ice-pwd:{description.pwd}",
        f"a=fingerprint:sha-256 {fingerprint}",
        f"a=setup:{description.setup.value}",
    ]
    # A browser refuses to send what is larger than the other side takes.
    most_bytes = limits.LINK_MESSAGE_BYTES + (MESSAGE_NUMBER_BYTES if description.has_media else 0)
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1" if description.has_media else "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        *transport,
        "a=sctp-port:5000",
        f"a=max-message-size:{most_bytes}",
    ]
    lines += [
        _candidate_line(index, candidate) for index, candidate in enumerate(description.candidates)
    ]
    if description.has_media:
        # The client offers and receives; nobody asks for audio or for a second video.
        offered = description.setup is Setup.ACTPASS
        direction = "a=recvonly" if offered else "a=sendonly"
        lines += [*VIDEO_HEAD, *transport, direction, *VIDEO_TAIL]
    return "\r\n".join(lines) + "\r\n"


def _candidate_line(index: int, candidate: Candidate) -> str:
    head = f"a=candidate:{index + 1} 1 udp"
    address = f"{candidate.ip} {candidate.port}"
    if candidate.kind is CandidateKind.HOST:
        return f"{head} {_HOST_PRIORITY - index} {address} typ host"
    # The related address is a private one and helps nobody: RFC 8839 §5.1 allows 0.0.0.0 9.
    return f"{head} {_REFLEXIVE_PRIORITY - index} {address} typ srflx raddr 0.0.0.0 rport 9"


_ATTRIBUTE = {
    name: re.compile(rf"^a={name}:(\S+)\r?$", re.MULTILINE)
    for name in ("ice-ufrag", "ice-pwd", "setup")
}
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-256 ([0-9A-Fa-f:]{95})\r?$", re.MULTILINE)
_VIDEO = re.compile(r"^m=video [1-9](.|\n)*^a=(send|recv)only\r?$", re.MULTILINE)
"""A port of 0 would be a refusal, and so would `inactive`."""
_CANDIDATE = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (host|srflx)\b", re.MULTILINE | re.IGNORECASE
)


def from_own_sdp(sdp: str) -> Description:
    """Read a description out of the SDP that one's own WebRTC stack made.

    Candidates that are not plain UDP addresses (mDNS names, TCP, relayed) are left out, as are
    those beyond `limits.CANDIDATES`. Raises ValueError when something is missing.
    """
    fingerprint = _FINGERPRINT.search(sdp)
    if fingerprint is None:
        raise ValueError("no SHA-256 fingerprint in the SDP")
    media = {"media": MEDIA_VERSION} if _VIDEO.search(sdp) else {}
    return msgspec.convert(
        {
            **media,
            "ufrag": _attribute(sdp, "ice-ufrag"),
            "pwd": _attribute(sdp, "ice-pwd"),
            "fingerprint": bytes.fromhex(fingerprint[1].replace(":", "")),
            "setup": _attribute(sdp, "setup"),
            "candidates": _own_candidates(sdp),
        },
        Description,
    )


def _attribute(sdp: str, name: str) -> str:
    found = _ATTRIBUTE[name].search(sdp)
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
