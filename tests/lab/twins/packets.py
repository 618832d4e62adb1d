"""Datagrams as `tshark` tells of them, and the links that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.lab.errors import LabError

FIELDS = (
    *("frame.time_epoch", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "udp.payload"),
    *("ip.dsfield", "ip.flags.df"),
    *("stun.type", "stun.att.type", "stun.att.length", "stun.att.software"),
    *("dtls.handshake.type", "dtls.handshake.fragment_length", "dtls.handshake.version"),
    *("dtls.handshake.ciphersuite", "dtls.handshake.extension.type"),
    *("dtls.handshake.extensions.supported_version", "dtls.handshake.sig_hash_alg"),
    *("dtls.handshake.extensions_supported_group", "dtls.handshake.extensions_key_share_group"),
    *("dtls.handshake.extensions_key_share_selected_group", "dtls.use_srtp.protection_profile"),
    *("dtls.handshake.extensions_alpn_str", "dtls.alert_message.desc"),
)
"""The fields that `tshark` prints for each packet, separated by tabs, several values by commas."""
CLIENT_HELLO, SERVER_HELLO = "1", "2"

Endpoint = tuple[str, int]
"""Address and UDP port."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram."""

    time_s: float
    """Unix time."""
    source: Endpoint
    target: Endpoint
    payload: bytes
    fields: Mapping[str, tuple[str, ...]]
    """The values of `FIELDS` that the packet has, without those above."""

    def values(self, field: str) -> tuple[str, ...]:
        """Return the values of a field, in the order of the packet; none if it has no such one."""
        return self.fields.get(field, ())


@dataclass(frozen=True, slots=True)
class Link:
    """The datagrams of one link: those between the two ends, and the reader's with STUN servers."""

    reader: Endpoint
    volunteer: Endpoint
    datagrams: tuple[Datagram, ...]
    """What passed between the two, in order."""
    to_servers: tuple[Datagram, ...]
    """What the reader's port sent to anybody else."""
    verdict: str = ""
    """What `ndpiReader` takes the flow for."""

    @property
    def flow(self) -> frozenset[Endpoint]:
        """Both ends, whatever the direction."""
        return frozenset((self.reader, self.volunteer))


def parse(line: str) -> Datagram:
    """Read one line of `tshark -T fields` with `FIELDS`. Raises LabError."""
    words = line.rstrip("\n").split("\t")
    if len(words) != len(FIELDS):
        raise LabError(f"tshark printed {len(words)} fields instead of {len(FIELDS)}")
    found = {name: tuple(word.split(",")) for name, word in zip(FIELDS, words, strict=True) if word}
    try:
        return Datagram(
            float(found.pop("frame.time_epoch")[0]),
            (found.pop("ip.src")[0], int(found.pop("udp.srcport")[0])),
            (found.pop("ip.dst")[0], int(found.pop("udp.dstport")[0])),
            bytes.fromhex(found.pop("udp.payload", ("",))[0]),
            found,
        )
    except (KeyError, ValueError) as error:
        raise LabError(f"tshark printed no whole datagram: {error}") from error


def links(
    datagrams: Sequence[Datagram], reader: str, volunteers: Iterable[str]
) -> dict[str, list[Link]]:
    """Return the links between the address `reader` and each volunteer's, by that address.

    A link is what two ports exchange, one of which said a ClientHello to the other.
    """
    addresses = frozenset(volunteers)
    flows: dict[tuple[Endpoint, Endpoint], list[Datagram]] = {}
    elsewhere: dict[Endpoint, list[Datagram]] = {}
    greeted: dict[tuple[Endpoint, Endpoint], None] = {}
    for each in datagrams:
        if each.source[0] == reader and each.target[0] in addresses:
            ends = (each.source, each.target)
        elif each.target[0] == reader and each.source[0] in addresses:
            ends = (each.target, each.source)
        else:
            elsewhere.setdefault(each.source, []).append(each)
            continue
        flows.setdefault(ends, []).append(each)
        if CLIENT_HELLO in each.values("dtls.handshake.type"):
            greeted[ends] = None
    found: dict[str, list[Link]] = {address: [] for address in sorted(addresses)}
    for ours, theirs in greeted:
        link = Link(ours, theirs, tuple(flows[ours, theirs]), tuple(elsewhere.get(ours, ())))
        found[theirs[0]].append(link)
    return found
