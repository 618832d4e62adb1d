"""SDP for the client's own stack, where that stack is a browser's: read out of it, made for it.

What a volunteer says reaches the stack as a checked `Description` that this module's template turns
into SDP; text of theirs never does. `widget/src/core/wire/sdp.ts` is the page's half, with the same
sections in the same order (RFC 8841, RFC 8839, docs/PROTOCOL.md §6.5).
"""

from __future__ import annotations

import re

import msgspec

from passerelle import limits
from passerelle.wire.description import (
    CHROME_MEDIA_VERSION,
    MESSAGE_NUMBER_BYTES,
    Candidate,
    CandidateKind,
    Description,
    Setup,
    canonical,
)

_PRIORITIES = {CandidateKind.HOST: 2130706431, CandidateKind.REFLEXIVE: 1694498815}
_CANDIDATE = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (host|srflx)\b", re.IGNORECASE | re.MULTILINE
)
START_KBIT_S = 5_000
"""Rate that a browser's congestion control begins with. A call in HD begins with about as much."""

_VIDEO = (
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtcp-rsize",
    "a=rtpmap:96 VP8/90000",
    "a=rtcp-fb:96 goog-remb",
    "a=rtcp-fb:96 transport-cc",
    "a=rtcp-fb:96 ccm fir",
    "a=rtcp-fb:96 nack",
    "a=rtcp-fb:96 nack pli",
    f"a=fmtp:96 x-google-start-bitrate={START_KBIT_S};x-google-max-bitrate=400000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
)


def to_sdp(description: Description, *, refuse_media: bool = False) -> str:
    """Return the SDP for the far side's `description`, for a stack that sends video both ways.

    `refuse_media` answers an offer that has a video, for a far side that wants none.
    """
    has_media = description.media == CHROME_MEDIA_VERSION
    transport = (
        f"a=ice-ufrag:{description.ufrag}",
        f"a=ice-pwd:{description.pwd}",
        "a=fingerprint:sha-256 " + description.fingerprint.hex(":").upper(),
        f"a=setup:{description.setup.value}",
    )
    candidates = [_line(index, each) for index, each in enumerate(description.candidates)]
    sections = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    mid = 1 if has_media or refuse_media else 0
    sections.append("a=group:BUNDLE 0 1" if has_media else f"a=group:BUNDLE {mid}")
    if has_media:
        sections += ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:0"]
        sections += [*transport, *_VIDEO, *candidates]
    elif refuse_media:
        sections += ["m=video 0 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0"]
        sections += ["a=inactive", "a=rtpmap:96 VP8/90000"]
    sections += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0"]
    sections += [f"a=mid:{mid}", *transport, "a=sctp-port:5000"]
    size = limits.LINK_MESSAGE_BYTES + (MESSAGE_NUMBER_BYTES if has_media else 0)
    sections.append(f"a=max-message-size:{size}")
    if not has_media:
        sections += candidates
    return "\r\n".join(sections) + "\r\n"


def from_own_sdp(sdp: str) -> Description:
    """Read a description from the SDP that our *own* stack made.

    Candidates that are no plain UDP addresses are left out. Raises ValueError when a field is
    missing.
    """

    def attribute(name: str) -> str:
        found = re.search(rf"^a={name}(\S+)\r?$", sdp, re.MULTILINE)
        if found is None:
            raise ValueError(f"no {name} in the stack's own description")
        return found[1]

    candidates = []
    for address, port, kind in _CANDIDATE.findall(sdp):
        try:
            ip = canonical(address)
        except ValueError:
            continue  # a name, or an address that peers may not name
        candidates.append(Candidate(CandidateKind(kind.lower()), ip, int(port)))
    has_media = re.search(r"^m=video [1-9]", sdp, re.MULTILINE) is not None
    return Description(
        ufrag=attribute("ice-ufrag:"),
        pwd=attribute("ice-pwd:"),
        fingerprint=bytes.fromhex(attribute("fingerprint:sha-256 ").replace(":", "")),
        setup=Setup(attribute("setup:")),
        candidates=tuple(candidates[: limits.CANDIDATES]),
        media=CHROME_MEDIA_VERSION if has_media else msgspec.UNSET,
    )


def _line(index: int, candidate: Candidate) -> str:
    head = f"a=candidate:{index + 1} 1 udp {_PRIORITIES[candidate.kind] - index}"
    where = f"{candidate.ip} {candidate.port} typ {candidate.kind.value}"
    if candidate.kind is CandidateKind.HOST:
        return f"{head} {where}"
    # The related address is private and helps nobody, and RFC 8839 §5.1 allows 0.0.0.0 9 for it.
    return f"{head} {where} raddr 0.0.0.0 rport 9"
