"""What is read off a link, from datagrams made by hand."""

from hypothesis import given
from hypothesis import strategies as st

from tests.lab.twins.features import BOTH, READER, VOLUNTEER, Feature, describe, extensions, ja4
from tests.lab.twins.packets import Datagram, Link

HERE, THERE, SERVER = ("10.0.0.1", 4000), ("10.0.0.2", 5000), ("10.0.0.3", 3478)
HELLO: dict[str, tuple[str, ...]] = {
    "dtls.handshake.type": ("1",),
    "dtls.handshake.version": ("0xfefd",),
    "dtls.handshake.extensions.supported_version": ("0xfefc", "0xfefd"),
    "dtls.handshake.ciphersuite": ("0x1301", "0xc02b"),
    "dtls.handshake.extension.type": ("51", "10", "43"),
    "dtls.handshake.fragment_length": ("238",),
}
RTP_HEADER = bytes.fromhex("9076 0001 0000 0001 0000 00aa bede 0002 10aa 2201 0203 4031")
RTCP_FEEDBACK = bytes.fromhex("8fcd 0005 0000 00aa")


def sent(payload: bytes, fields: dict[str, tuple[str, ...]] | None = None) -> Datagram:
    return Datagram(10.0, HERE, THERE, payload, fields or {})


def received(payload: bytes, fields: dict[str, tuple[str, ...]] | None = None) -> Datagram:
    return Datagram(20.0, THERE, HERE, payload, fields or {})


def link(*datagrams: Datagram) -> Link:
    return Link(HERE, THERE, datagrams, (), "STUN")


def read(made: Link) -> dict[Feature, object]:
    return {**describe(made)}


def test_stun_is_told_by_kind_and_attributes() -> None:
    """The order counts, and so do the lengths; an attribute without a name keeps its number."""
    check = sent(
        b"\0\1",
        {
            "stun.type": ("0x0001",),
            "stun.att.type": ("0x0006", "0xc05a", "0x8022"),
            "stun.att.length": ("9", "4", "6"),
            "stun.att.software": ("garden",),
        },
    )
    found = read(link(check, received(b"\1\1", {"stun.type": ("0x0101",)})))
    assert found[Feature("STUN request", READER)] == {"USERNAME:9 0xc05a:4 SOFTWARE:6"}
    assert found[Feature("STUN SOFTWARE", READER)] == {"garden"}
    assert found[Feature("STUN message types", VOLUNTEER)] == {"0x0101"}
    assert found[Feature("STUN success", VOLUNTEER)] == {"nothing"}
    assert found[Feature("STUN requests a second", READER)] == 0.1
    assert found[Feature("nDPI", BOTH)] == {"STUN"}


def test_requests_to_servers_belong_to_the_link() -> None:
    asked = Datagram(9.0, HERE, SERVER, b"\0\1", {"stun.type": ("0x0001",)})
    made = Link(HERE, THERE, (sent(b"x"),), (asked,))
    assert read(made)[Feature("STUN request to a server", READER)] == {"nothing"}


def test_a_hello_is_told_as_a_whole() -> None:
    """The set of extensions has no order; a hello in two pieces is one, even when repeated."""
    first: dict[str, tuple[str, ...]] = {
        "dtls.handshake.type": ("1",),
        "dtls.handshake.fragment_length": ("1175",),
    }
    pieces = [
        received(b"\x16\xfe\xff" + bytes(size), fields)
        for size, fields in ((1197, first), (268, HELLO))
    ]
    found = read(link(*pieces, *pieces))
    assert found[Feature("ClientHello extensions", VOLUNTEER)] == {"10 43 51"}
    assert found[Feature("ClientHello fragments", VOLUNTEER)] == {"1175 238"}
    assert found[Feature("ClientHello versions", VOLUNTEER)] == {"0xfefc 0xfefd"}
    assert found[Feature("ClientHello groups", VOLUNTEER)] == {"none"}
    assert found[Feature("DTLS handshake in the clear", VOLUNTEER)] == {"1"}
    assert found[Feature("DTLS sizes of clear handshake", VOLUNTEER)] == {"1184+", "256+"}
    assert found[Feature("DTLS kinds of record", VOLUNTEER)] == {"22 feff"}
    assert found[Feature("ServerHello extensions", READER)] == frozenset()


def test_sealed_records_are_told_without_their_epoch() -> None:
    found = read(link(sent(b"\x2e" + bytes(99)), sent(b"\x2f" + bytes(9))))
    assert found[Feature("DTLS kinds of record", READER)] == {"sealed 2c"}
    assert found[Feature("DTLS sealed handshake, bytes", READER)] == 100.0


def test_only_alerts_that_anybody_can_read_are_told() -> None:
    """A sealed one has a number, too, if it is read as if it were clear."""
    alert: dict[str, tuple[str, ...]] = {"dtls.alert_message.desc": ("41",)}
    clear, sealed = (bytes.fromhex(f"15fefd 000{epoch} 000000000001 0002") for epoch in (0, 1))
    feature = Feature("DTLS alerts in the clear", READER)
    assert read(link(sent(clear, alert)))[feature] == {"41"}
    assert read(link(sent(sealed, alert)))[feature] == set()


def test_ja4_is_the_published_one() -> None:
    """The suites and extensions are those of the example in FoxIO's description."""
    suites = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    kinds = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
    signatures = "0403 0804 0401 0503 0805 0501 0806 0601"
    hello = sent(
        b"",
        {
            "dtls.handshake.ciphersuite": tuple(f"0x{each}" for each in suites.split()),
            "dtls.handshake.extension.type": tuple(str(int(each, 16)) for each in kinds.split()),
            "dtls.handshake.sig_hash_alg": tuple(f"0x{each}" for each in signatures.split()),
            "dtls.handshake.extensions.supported_version": ("0xfefc", "0xfefd"),
            "dtls.handshake.extensions_alpn_str": ("h2", "http/1.1"),
        },
    )
    assert ja4(hello) == "dd3d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja4_of_an_old_hello() -> None:
    hello = sent(b"", {"dtls.handshake.version": ("0xfefd",)})
    assert ja4(hello) == f"dd2i000000_{'0' * 12}_{'0' * 12}"


def test_rtp_and_rtcp_are_told_apart() -> None:
    """The second byte decides; only the header of the first RTCP packet is in the clear."""
    found = read(link(sent(RTP_HEADER), sent(RTCP_FEEDBACK)))
    assert found[Feature("RTP payload types", READER)] == {"118"}
    assert found[Feature("RTP streams (SSRCs)", READER)] == {"1"}
    assert found[Feature("RTP header extensions", READER)] == {"1:1", "2:3", "4:1"}
    assert found[Feature("RTCP kinds", READER)] == {"205/15"}
    assert found[Feature("share of the bytes", READER)] == 1.0


def test_padding_shows_beside_the_payload_type() -> None:
    padded = bytes([RTP_HEADER[0] | 0x20, *RTP_HEADER[1:]])
    found = read(link(sent(padded)))
    assert found[Feature("RTP payload types", READER)] == {"118 padded"}


def test_header_extensions_of_another_profile_are_told_as_such() -> None:
    bare = bytes([RTP_HEADER[0] & ~0x10, *RTP_HEADER[1:]])
    assert list(extensions(bare)) == []
    assert list(extensions(RTP_HEADER.replace(b"\xbe\xde", b"\x10\x00"))) == ["profile 1000"]


@given(st.binary(min_size=12, max_size=80))
def test_any_bytes_have_extensions_or_none(data: bytes) -> None:
    """A header that is cut off or false ends the list."""
    assert len(list(extensions(data))) <= 80
