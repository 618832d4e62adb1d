"""Lines of `tshark` become datagrams, and datagrams become links."""

import pytest

from tests.lab.errors import LabError
from tests.lab.twins.packets import FIELDS, Datagram, links, parse

READER, CHROMIUM, FIREFOX, STUN = "10.77.1.2", "10.77.2.2", "10.77.8.2", "10.77.5.2"


def line(**fields: str) -> str:
    """Return a line as `tshark` prints it; a dot in a field's name is written as `_`."""
    base = {
        "frame.time_epoch": "17.5",
        "ip.src": READER,
        "ip.dst": CHROMIUM,
        "udp.srcport": "4000",
        "udp.dstport": "5000",
    }
    named = {name.replace("_", "."): value for name, value in fields.items()}
    return "\t".join({**base, **named}.get(name, "") for name in FIELDS) + "\n"


def datagram(source: tuple[str, int], target: tuple[str, int], hello: bool = False) -> Datagram:
    return Datagram(0.0, source, target, b"", {"dtls.handshake.type": ("1",)} if hello else {})


def test_a_line_is_a_datagram() -> None:
    """Several values of a field come in their order, and a field without a value is left out."""
    read = parse(line(udp_payload="0001ff", stun_type="0x0001", stun_att_type="0x0006,0x0024"))
    assert (read.time_s, read.source, read.target) == (17.5, (READER, 4000), (CHROMIUM, 5000))
    assert read.payload == b"\0\1\xff"
    assert read.values("stun.att.type") == ("0x0006", "0x0024")
    assert read.values("stun.att.software") == ()


@pytest.mark.parametrize("bad", ["", "a\tb", line(udp_srcport="x"), line(ip_src="")])
def test_another_line_is_an_error(bad: str) -> None:
    with pytest.raises(LabError):
        parse(bad)


def test_a_link_is_where_a_hello_was_said() -> None:
    """Checks of other paths make no link; what the reader's port sent to others comes with it."""
    here, there = (READER, 4000), (CHROMIUM, 5000)
    seen = [
        datagram(here, (STUN, 3478)),
        datagram((READER, 4001), (STUN, 3478)),
        datagram(here, (FIREFOX, 6000)),
        datagram(here, there),
        datagram(there, here, hello=True),
        datagram(here, there),
    ]
    found = links(seen, READER, (CHROMIUM, FIREFOX))
    (link,) = found[CHROMIUM]
    assert found[FIREFOX] == []
    assert (link.reader, link.volunteer) == (here, there)
    assert link.datagrams == tuple(seen[3:])
    assert link.to_servers == (seen[0],)
