from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.io.webrtc import ortc  # noqa: F401 - loads aiortc without PyAV
from passerelle.wire import sdp
from passerelle.wire.description import (
    DATA_CHANNEL_ID,
    Candidate,
    CandidateKind,
    Description,
    Setup,
)
from tests.wire.strategies import DESCRIPTIONS

# isort: split
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.sdp import SessionDescription

# ruff: noqa: E501 - lines of SDP are as long as browsers make them
CHROMIUM_ANSWER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic: WMS
m=application 51472 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 198.51.100.7
a=candidate:1467250027 1 udp 2122260223 0aa0f9a2-8b7e-4f2e-8a3c-3f2d5a1f2c11.local 51472 typ host generation 0 network-id 1 network-cost 10
a=candidate:1467250028 1 udp 2122194687 2001:DB8:0:0::7 51473 typ host generation 0 network-id 2
a=candidate:3988998927 1 udp 1686052607 198.51.100.7 51472 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-id 1 network-cost 10
a=candidate:435653019 1 tcp 1518280447 192.0.2.4 9 typ host tcptype active generation 0 network-id 1
a=candidate:2 1 udp 41885439 203.0.113.9 60000 typ relay raddr 0.0.0.0 rport 0
a=ice-ufrag:Xk+/
a=ice-pwd:9a0C5T0pBkLmQyTnVYtC7p/+
a=ice-options:trickle
a=fingerprint:sha-256 B3:0A:1C:44:9E:0D:5A:C7:2B:81:F9:3D:6E:70:12:A4:58:9C:E3:07:4F:D2:66:1A:BB:90:35:CD:88:21:7E:F0
a=setup:active
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
"""


@given(DESCRIPTIONS)
def test_template_round_trip(value: Description) -> None:
    """What the template writes, the reader reads back to the same fields."""
    used = value
    if value.has_media:
        used = msgspec.structs.replace(value, media=value.media if value.media in (2, 3) else 1)
    assert sdp.from_own_sdp(sdp.to_sdp(value)) == used


@given(DESCRIPTIONS)
def test_template_holds_nothing_but_its_lines(value: Description) -> None:
    """Every line is one of the template's, whatever the fields were."""
    ice = "[A-Za-z0-9+/]"
    allowed = re.compile(
        r"v=0|o=- 1 1 IN IP4 0\.0\.0\.0|s=-|t=0 0|a=group:BUNDLE 0( 1)?( 2)?"
        r"|m=application 9 UDP/DTLS/SCTP webrtc-datachannel|c=IN IP4 0\.0\.0\.0|a=mid:[012]"
        rf"|a=ice-ufrag:{ice}{{4,64}}|a=ice-pwd:{ice}{{22,64}}"
        r"|a=fingerprint:sha-256 [0-9A-F]{2}(:[0-9A-F]{2}){31}|a=setup:(actpass|active|passive)"
        r"|a=sctp-port:5000|a=max-message-size:163(84|88)"
        r"|a=candidate:[1-8] 1 udp \d+ [0-9a-f.:]+ \d+ typ (host|srflx raddr 0\.0\.0\.0 rport 9)"
    )
    text = sdp.to_sdp(value)
    assert ("m=video" in text) == value.has_media
    beside: set[str] = set()
    if isinstance(value.media, int):
        payloads, lines = {
            2: (sdp.BOTH_WAYS_PAYLOADS, (*sdp.BOTH_WAYS, sdp.HELD_RATE, sdp.FREE_RATE)),
            3: (sdp.CALL_PAYLOADS, (*sdp.CALL, *sdp.SOUND)),
        }.get(value.media or 1, (sdp.ONE_WAY_PAYLOADS, (*sdp.ONE_WAY, "a=recvonly", "a=sendonly")))
        beside = {f"m=video 9 UDP/TLS/RTP/SAVPF {payloads}", "a=sendrecv", *lines}
        if value.media == 3:
            beside.add("m=audio 9 UDP/TLS/RTP/SAVPF 111")
    assert text.endswith("\r\n")
    assert text.count("\r") == text.count("\n") == text.count("\r\n")
    for line in text.splitlines():
        assert line in beside or allowed.fullmatch(line), line
    assert text.count("a=candidate:") == len(value.candidates)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_browsers_answer_is_read(line_end: str) -> None:
    """mDNS names, TCP and relayed candidates are left out; addresses come out canonical."""
    found = sdp.from_own_sdp(CHROMIUM_ANSWER.replace("\n", line_end))
    assert (found.ufrag, found.pwd) == ("Xk+/", "9a0C5T0pBkLmQyTnVYtC7p/+")
    assert found.setup is Setup.ACTIVE
    assert found.fingerprint[:3] == b"\xb3\x0a\x1c"
    assert found.candidates == (
        Candidate(CandidateKind.HOST, "2001:db8::7", 51473),
        Candidate(CandidateKind.REFLEXIVE, "198.51.100.7", 51472),
    )


async def test_aiortcs_own_offer_is_read_and_rebuilt() -> None:
    """The offer of a real aiortc connection survives the template, and aiortc parses the result."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        connection.createDataChannel("link", negotiated=True, id=DATA_CHANNEL_ID)
        await connection.setLocalDescription(await connection.createOffer())
        own = sdp.from_own_sdp(connection.localDescription.sdp)
    finally:
        await connection.close()
    assert own.setup is Setup.ACTPASS
    assert len(own.candidates) <= limits.CANDIDATES
    (media,) = SessionDescription.parse(sdp.to_sdp(own)).media
    assert media.kind == "application"
    assert media.ice is not None
    assert media.sctpCapabilities is not None
    assert (media.ice.usernameFragment, media.ice.password) == (own.ufrag, own.pwd)
    assert media.sctpCapabilities.maxMessageSize == limits.LINK_MESSAGE_BYTES
    assert [(c.ip, c.port, c.type) for c in media.ice_candidates] == [
        (c.ip, c.port, c.kind.value) for c in own.candidates
    ]


def test_surplus_candidates_of_our_own_are_left_out() -> None:
    """A machine with many addresses still makes a description that others accept."""
    lines = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.{n} 5000 typ host\r\n" for n in range(1, 20))
    bare = Description("abcd", "p" * 22, bytes(32), Setup.ACTPASS)
    found = sdp.from_own_sdp(sdp.to_sdp(bare) + lines)
    assert len(found.candidates) == limits.CANDIDATES


@pytest.mark.parametrize("name", ["ice-ufrag", "ice-pwd", "setup", "fingerprint"])
def test_missing_lines_are_value_errors(name: str) -> None:
    """Each line that the description needs is named when it is absent."""
    text = re.sub(rf"a={name}:.*\n", "", CHROMIUM_ANSWER)
    with pytest.raises(ValueError, match=name):
        sdp.from_own_sdp(text)


@given(st.text(max_size=300))
def test_garbage_sdp_is_a_value_error(noise: str) -> None:
    """No text from the stack does anything but parse or raise ValueError."""
    try:
        sdp.from_own_sdp(CHROMIUM_ANSWER[: len(noise) * 7] + noise + CHROMIUM_ANSWER)
        sdp.from_own_sdp(noise)
    except ValueError:
        return


OWN_OFFER = """v=0
m=video 9 UDP/TLS/RTP/SAVPF 96 97
a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtcp-fb:97 rrtr
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=ssrc:96 cname:96
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
"""


def test_an_own_offer_gets_the_numbers_of_the_template() -> None:
    """Payload types and extensions change wherever they are named; nothing else does."""
    made = sdp.renumber(OWN_OFFER)
    assert made.splitlines() == [
        "v=0",
        "m=video 9 UDP/TLS/RTP/SAVPF 118 97",
        "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rtpmap:118 VP8/90000",
        "a=rtcp-fb:118 nack pli",
        "a=rtcp-fb:97 rrtr",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=118",
        "a=ssrc:96 cname:96",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert sdp.renumber(made) == made


@given(DESCRIPTIONS)
def test_the_template_has_its_own_numbers(value: Description) -> None:
    """What the template writes for a call needs no other numbers."""
    call = msgspec.structs.replace(value, media=2)
    assert sdp.renumber(sdp.to_sdp(call)) == sdp.to_sdp(call)


def test_a_call_has_only_the_extensions_that_the_browser_took() -> None:
    """What Firefox refuses is left out of its answer, so that the client's stack does not send it."""
    answer = Description("abcd", "p" * 22, bytes(32), Setup.ACTIVE, media=3, lacks=(13, 7))
    text = sdp.to_sdp(answer)
    assert "a=extmap:13 " not in text
    assert "a=extmap:7 " not in text
    assert (
        text.count("a=extmap:") == len(re.findall("a=extmap", "".join((*sdp.CALL, *sdp.SOUND)))) - 2
    )


def test_a_call_has_the_reports_of_a_chromiums_unless_the_browser_refused_them() -> None:
    """Extended reports are asked for with each payload, and Firefox, which has none, gets none."""
    call = Description("abcd", "p" * 22, bytes(32), Setup.ACTIVE, media=3)
    text = sdp.to_sdp(call)
    assert re.findall(r"a=rtcp-fb:(\d+) rrtr", text) == ["111", "96", "97", "118", "119", "120"]
    assert text.count("a=rtcp-xr:rcvr-rtt=all\r\n") == 2
    without = sdp.to_sdp(msgspec.structs.replace(call, lacks=(sdp.LACKS_REPORTS,)))
    assert [line for line in text.splitlines() if "rrtr" not in line and "-xr:" not in line] == (
        without.splitlines()
    )


def test_a_calls_offer_has_the_numbers_of_a_chromiums() -> None:
    """RED, its retransmissions and the correction of errors are numbered too."""
    own = (
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104\r\na=sendrecv\r\na=rtcp-fb:102 rrtr\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
        "a=rtpmap:102 red/90000\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n"
        "a=rtpmap:104 ulpfec/90000\r\n"
    )
    numbered = sdp.renumber(own)
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96 97 118 119 120\r\n" in numbered
    for line in ("118 red", "119 rtx", "120 ulpfec"):
        assert f"a=rtpmap:{line}/90000\r\n" in numbered
    assert "a=fmtp:119 apt=118\r\n" in numbered
    assert "a=fmtp:97 apt=96\r\n" in numbered
