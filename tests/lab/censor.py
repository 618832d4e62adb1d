"""A censor on the reader's path: rules of a star's router that judge the reader's UDP packets.

    with Censor(star, "client", dtls_1_2()) as censor:
        …
    censor.dropped

Each function below makes one rule. Its docstring says what of a packet the rule reads and what is
known of real censors that do so. The rules are nftables' own, in a table beside the star's, and
read the UDP payload at fixed offsets. Only IPv4 is judged, so a scene turns IPv6 off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from tests.lab.star import Star
from tests.lab.tools import call

TABLE: Final = "ip censor"
PAYLOAD_BITS: Final = 64
"""Where the UDP payload begins, in bits from the UDP header on."""
READ_BYTES: Final = 16
"""The longest piece of a payload that nftables compares at once."""
REMEMBERED: Final = "10m"
"""How long a flow is remembered after it was first seen; scenes are shorter."""
CALL_S: Final = 30
"""How long a picture or sound keeps a flow a call, for the rule on data channels."""

HANDSHAKE: Final = 22
CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST = 1, 2, 3
BINDING_REQUEST: Final = bytes.fromhex("0001")
STUN_COOKIE: Final = bytes.fromhex("2112a442")
STUN_HEADER_BYTES: Final = 20
SOFTWARE_DEPTH_BYTES: Final = 160
"""How far into a STUN message its SOFTWARE is looked for; those of ICE are shorter."""
CHROMIUM_SUITES: Final = bytes.fromhex("130113021303c02bc02fcca9cca8c009c013c00ac014009c002f0035")
"""The cipher suites of a Chromium's DTLS ClientHello, in its order."""
PYTHON_FIRST_BYTES: Final = (92, 96)
"""The first request that `--engine python` sends to a Chromium, and to a Firefox, whose name is
longer: an ICE check without the attribute for the network's cost. Chrome's have 8 bytes more."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a censor looks for, in nftables' expressions, and what it does then."""

    drops: tuple[str, ...] = ()
    """Packets that match any of these are dropped."""
    condemns: tuple[str, ...] = ()
    """The flow of a packet that matches any of these is dropped, both ways; an empty expression
    matches all packets."""
    first: str | None = None
    """If set, a flow is condemned only by the first of those packets from the reader that match it;
    an empty expression matches all packets."""
    delay_s: float = 0
    """How long a condemned flow still passes."""
    acquits: str = ""
    """A condemned flow passes as long as packets match this; empty: it never does."""


def at(offset: int, value: bytes) -> str:
    """Return the expression for `value` at an offset in bytes of the UDP payload."""
    pieces = [value[begin : begin + READ_BYTES] for begin in range(0, len(value), READ_BYTES)]
    return " ".join(
        f"{_field(offset + READ_BYTES * number, len(piece))} == 0x{piece.hex()}"
        for number, piece in enumerate(pieces)
    )


def handshake(kind: int) -> str:
    """Return the expression for a DTLS record that begins with a handshake message."""
    return f"{at(0, bytes([HANDSHAKE]))} {at(13, bytes([kind]))}"


def _field(offset: int, size: int) -> str:
    return f"@th,{PAYLOAD_BITS + 8 * offset},{8 * size}"


# --- the rules ----------------------------------------------------------------------------------


def dtls_1_2() -> Rule:
    """Drop answers of DTLS 1.2.

    Reads the first record: content type 22 (handshake), message type 2 (ServerHello, RFC 6347
    §4.2.2) and the cipher suite, behind a session id of 0 or 32 bytes; those of DTLS 1.3 begin with
    0x13 (RFC 9147). HelloVerifyRequest (type 3) exists in DTLS 1.2 only.

    Russia's filters dropped Snowflake's handshakes by bytes at a fixed offset of the ServerHello in
    December 2021 (github.com/pion/dtls/issues/409), and by HelloVerifyRequest in January 2023
    (github.com/pion/dtls/pull/513). In 2026 a ClientHello of DTLS 1.3 passed where one of 1.2 did
    not (github.com/net4people/bbs/issues/603). No censor is known to go by the version alone.
    """
    hello = handshake(SERVER_HELLO)
    other = "!= 0x1301-0x13ff"
    return Rule(
        drops=(
            f"{hello} {at(59, bytes(1))} {_field(60, 2)} {other}",
            f"{hello} {at(59, bytes([32]))} {_field(92, 2)} {other}",
            handshake(HELLO_VERIFY_REQUEST),
        )
    )


def one_hello(suites: bytes = CHROMIUM_SUITES, *, delay_s: float = 2) -> Rule:
    """Drop flows whose ClientHello has these cipher suites, `delay_s` seconds after it.

    Reads the first ClientHello (message type 1, no session id, no cookie). JA4's middle part is a
    hash of the cipher suites; nftables cannot hash, and compares the suites themselves.

    Russia's filters have dropped DTLS by the ClientHello of one library since March 2026
    (github.com/net4people/bbs/issues/603). The delay stands for a verdict by a slower machine
    beside the path.
    """
    hello = f"{handshake(CLIENT_HELLO)} {at(59, bytes(2))}"
    listed = at(61, len(suites).to_bytes(2) + suites)
    return Rule(condemns=(f"{hello} {listed}",), delay_s=delay_s)


def first_size(sizes: tuple[int, ...] = PYTHON_FIRST_BYTES, *, of_requests: bool = False) -> Rule:
    """Drop flows in which the reader's first packet has one of these sizes, in bytes of payload.

    With `of_requests` its first STUN request counts (RFC 8489 §5), because the volunteer's own
    check is often there before, and then the reader's first packet is an answer. Reads the UDP
    length (RFC 768). China's firewall has judged a connection by the length and
    entropy of the first packet with data (Alice et al., "How China Detects and Blocks Shadowsocks",
    IMC 2020), of TCP; the rule here is the same for UDP.
    """
    first = at(0, BINDING_REQUEST) if of_requests else ""
    lengths = ", ".join(str(size + PAYLOAD_BITS // 8) for size in sizes)
    return Rule(condemns=(f"udp length {{ {lengths} }}",), first=first)


def foreign_software() -> Rule:
    """Drop STUN messages with the attribute SOFTWARE (0x8022, RFC 8489 §14.14).

    Neither Chrome nor Firefox sends it, so any value is foreign. Reads the magic cookie, and looks
    for type and length of the attribute at each multiple of four bytes. RFC 8489 warns that the
    attribute tells attackers what software runs; no censor is known to use it.
    """
    stun = at(4, STUN_COOKIE)
    places = range(STUN_HEADER_BYTES, SOFTWARE_DEPTH_BYTES, 4)
    # The mask admits a length below 128 bytes, so that hardly any other four bytes match.
    return Rule(drops=tuple(f"{stun} {_field(n, 4)} & 0xffffff80 == 0x80220000" for n in places))


def only_calls(*, delay_s: float = 5) -> Rule:
    """Drop flows with DTLS data and no picture or sound, `delay_s` seconds after the first data.

    Reads the first byte as RFC 7983 §7 divides it: 23 is data of DTLS 1.2, 32 to 63 a sealed record
    of DTLS 1.3, 128 to 191 RTP or RTCP. RTCP has 192 to 223 in the second byte (RFC 5761 §4) and
    does not count. A flow stays a call for 30 s after its last RTP packet. No censor is known to do
    this; calls would pass, and games and file transfers between browsers would not.
    """
    return Rule(
        condemns=(at(0, b"\x17"), f"{_field(0, 1)} 32-63"),
        delay_s=delay_s,
        acquits=f"{_field(0, 1)} 128-191 {_field(1, 1)} != 192-223",
    )


def no_stun_port() -> Rule:
    """Drop UDP from and to port 3478, which is registered for STUN and TURN (RFC 8489 §18.5)."""
    return Rule(drops=("udp dport 3478", "udp sport 3478"))


def short_flows(*, delay_s: float = 10) -> Rule:
    """Drop each flow `delay_s` seconds after its first packet.

    Iran cut or slowed TCP connections after 60 s in 2013 (Fifield, "Turbo Tunnel", FOCI 2020, §1);
    the rule here does so with UDP, and sooner.
    """
    return Rule(condemns=("",), delay_s=delay_s)


# --- the censor ---------------------------------------------------------------------------------


class Censor:
    """A rule at work on the packets of one host, in a `with` statement."""

    def __init__(self, star: Star, label: str, rule: Rule) -> None:
        """`label` is the reader's host."""
        self._star = star
        self._text = script(rule, star.device(label))
        self._final: int | None = None

    def __enter__(self) -> Self:
        self._nft(self._text)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._final = self._count()
        self._nft(f"delete table {TABLE}")

    @property
    def dropped(self) -> int:
        """How many packets the rule has dropped, also after its end."""
        return self._count() if self._final is None else self._final

    def _count(self) -> int:
        words = ("nft", "-j", "list", "counters", "table", *TABLE.split())
        items = json.loads(self._star.router.run(*words).stdout)["nftables"]
        return sum(item["counter"]["packets"] for item in items if "counter" in item)

    def _nft(self, text: str) -> None:
        call(*self._star.router.words("nft", "-f", "-"), text=text + "\n")


def script(rule: Rule, device: str) -> str:
    """Return the table that makes a router, which has the reader at `device`, obey the rule."""
    lines = []
    ways = {
        f'iifname "{device}"': "ip saddr . udp sport . ip daddr . udp dport",
        f'oifname "{device}"': "ip daddr . udp dport . ip saddr . udp sport",
    }
    for way, flow in ways.items():
        from_reader = way.startswith("iif")
        lines += [f"{way} meta l4proto udp {each} counter name dropped drop" for each in rule.drops]
        if rule.acquits:
            lines.append(f"{way} {rule.acquits} update @calls {{ {flow} }}")
        if from_reader or rule.first is None:
            unseen = f"{flow} != @condemned"
            if rule.first is not None:
                unseen = f"{rule.first} {flow} != @begun"
            spare = f"add @spared {{ {flow} timeout {rule.delay_s}s }}" if rule.delay_s else ""
            lines += [
                f"{way} meta l4proto udp {unseen} {each} {spare} add @condemned {{ {flow} }}"
                for each in rule.condemns
            ]
        if rule.first is not None and from_reader:
            lines.append(f"{way} meta l4proto udp {rule.first} add @begun {{ {flow} }}")
        if rule.condemns:
            passes = f"{flow} != @spared {flow} != @calls"
            lines.append(f"{way} {flow} @condemned {passes} counter name dropped drop")
    kind = "type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic, timeout;"
    lives = {"condemned": REMEMBERED, "begun": REMEMBERED, "spared": "1s", "calls": f"{CALL_S}s"}
    sets = "\n".join(
        f"  set {name} {{ {kind} size 65535; timeout {life}; }}" for name, life in lives.items()
    )
    rules = "\n".join(f"    {line}" for line in lines)
    return f"""table {TABLE} {{
  counter dropped {{ }}
{sets}
  chain forward {{
    type filter hook forward priority filter;
{rules}
  }}
}}"""
