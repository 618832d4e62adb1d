"""Write the vectors that the Python and the TypeScript tests share.

    .venv/bin/python -m tests.vectors.make [FOLDER]

Inputs are JSON *text*, so that a vector may hold what no JSON library would write. The output is
always the same: keys are fixed and nothing depends on the time.
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passerelle import limits
from passerelle.core.address import candidates
from passerelle.core.address import classes as address
from passerelle.core.address.host import IPAddress
from passerelle.core.media import callframe, frame, pieces, video
from passerelle.core.media.packer import MessagePacker
from passerelle.core.media.scene import look
from passerelle.errors import ConfigError, PeerError
from passerelle.wire import (
    base64url,
    control,
    description,
    descriptor,
    doors,
    family,
    friend,
    invite,
    sdp,
    signalling,
)
from tests.vectors import sealed

HERE = Path(__file__).resolve().parent
NOW_S = 1_800_000_000
OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPERATOR_KEY = OPERATOR.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
FINGERPRINT = base64.b64encode(bytes(range(32))).decode()

KEYS = base64.b64encode(bytes.fromhex("010020" + "07" * 32 + "000400010001")).decode()
"""A gateway's key configuration."""

KEY_FRAME = bytes.fromhex("10020a 9d012a 4000 4000") + b"picture"
"""The start of a key frame of 64 by 64 pixels (RFC 6386 §9.1), and some bytes."""

Json = dict[str, object]


def main() -> None:
    """Write every file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, vectors in {
        "limits": make_limits(),
        "invites": make_invites(),
        "descriptions": make_descriptions(),
        "own_sdp": make_own_sdp(),
        "candidates": make_candidates(),
        "descriptors": make_descriptors(),
        "signalling": make_signalling(),
        "control": make_control(),
        "media": make_media(),
        "call": make_call(),
        "friends": make_friends(),
        "families": make_families(),
        "doors": make_doors(),
        "volunteer": make_volunteer(),
        "binary_http": sealed.make_binary_http(),
        "oblivious": sealed.make_oblivious(),
        "gateway_frames": sealed.make_gateway_frames(),
        "rendezvous_replies": sealed.make_rendezvous_replies(),
    }.items():
        text = json.dumps(vectors, indent=2, ensure_ascii=True, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="ascii")


def make_limits() -> Json:
    """Give the bounds both languages must share."""
    names = (
        "LINK_MESSAGE_BYTES TICKET_BYTES SIGNAL_MESSAGE_BYTES LANES CANDIDATES CANDIDATE_PORTS "
        "DESCRIPTOR_BYTES DESCRIPTOR_ENTRIES INVITE_CHARS TEXT_SEALED_BYTES RESEND_GAPS "
        "MESSAGE_PIECES EXTENSIONS RATE_TEST_BYTES RATE_TEST_MESSAGE_BYTES RATE_TEST_AHEAD_BYTES "
        "RATE_TEST_TEXT_CHARS"
    )
    return {name: getattr(limits, name) for name in names.split()}


def make_families() -> list[Json]:
    """Give tokens with their tags and links in a network."""
    network = invite.Invite("https://broker.example", OPERATOR_KEY)
    return [
        {
            "invite": str(network),
            "token": base64url.encode(token),
            "tag": base64.b64encode(family.tag(token, OPERATOR_KEY)).decode(),
            "link": str(replace(network, family=token)),
        }
        for token in (bytes(16), bytes(range(16)), b"\xff" * 16)
    ]


def make_doors() -> list[Json]:
    """Give doors of a broker with their keys, and the receipts that these get."""
    urls = (
        "https://news.example/passerelle",
        "https://news.example/passerelle2",
        "https://xn--zeitung-fr-ieb.example:8443",
    )
    return [
        {
            "seal_key": seal_key.hex(),
            "url": url,
            "key": (key := doors.door_key(X25519PrivateKey.from_private_bytes(seal_key), url)),
            "receipt": doors.receipt(key).hex(),
        }
        for seal_key in (bytes(range(32)), bytes(range(1, 33)))
        for url in urls
    ]


# --- invites -----------------------------------------------------------------------------------


def make_invites() -> list[Json]:
    """Give texts with the URL and key they hold, or null where they are refused."""
    key = base64url.encode(OPERATOR_KEY)
    texts = [
        f"https://broker.example/#{key}",
        f"https://broker.example#{key}",
        f"  https://broker.example/#{key}\n",
        f"http://127.0.0.1:8080/#{key}",
        f"https://broker.example/some/path/#{key}",
        f"https://[2001:db8::1]:8443/#{key}",
        f"HTTPS://broker.example/#{key}",
        f"\u200e\u200bhttps://broker.example/#{key}\u200f",
        f"https://broker.example/#{key[:20]}\u200b{key[20:]}",
        f"https://broker.example/#\ufe0f{key[:20]}\u3164{key[20:]}",
        f"“https://broker.example/#{key}”",
        f"«https://broker.example/#{key}».",
        f"<https://broker.example/#{key}>",
        f"(https://broker.example/#{key}),",
        f"https://broker.example/#{key}.",
        f"https://broker.example/%23{key}",
        f"https://broker.example/#{key}…",
        f"[Passerelle](https://broker.example/#{key})",
        f"[https://broker.example/#{key}](https://broker.example/#{key})",
        f"<https://broker.example/#{key}|the network>",
        f"Use https://broker.example/#{key}, it works (I think).",
        f"Take [https://[2001:db8::1]:8443/#{key}]!",
        f"see _https://broker.example/#{key}_",
        f"Use https://broker.example/ #{key}",
        f"Use https://broker.example/#{key}A.",
        f"https://broker.example/#{key[:20]} {key[20:]}",
        f"https://broker.example/#{key[:20]}\u00a0{key[20:]}",
        f"https://broker.example/#{key[:20]}–{key[21:]}",
        "",
        "#",
        "https://broker.example/",
        "https://broker.example/#",
        f"https://broker.example/#{key[:-1]}",
        f"https://broker.example/#{key}A",
        f"https://broker.example/#{key}=",
        f"https://broker.example/#{key[:-1]}~",
        f"https://broker.example/#{key[:20]}+{key[21:]}",
        f"https://broker.example/#{'A' * 42}B",
        f"https://user@broker.example/#{key}",
        f"https://broker.example/?a=b#{key}",
        f"https:///#{key}",
        f"https://broker.example:0/#{key}",
        f"https://broker.example:99999/#{key}",
        f"https://broker.example:x/#{key}",
        f"ftp://broker.example/#{key}",
        f"javascript:alert(1)#{key}",
        f"//broker.example/#{key}",
        f"https://broker.example/{'a' * 500}#{key}",
    ]
    return [{"text": text, "invite": _invite(text)} for text in texts]


def _invite(text: str) -> Json | None:
    try:
        found = invite.parse(text)
    except ConfigError:
        return None
    return {"url": found.url, "operator_key": base64.b64encode(found.operator_key).decode()}


# --- descriptions ------------------------------------------------------------------------------


def make_descriptions() -> list[Json]:
    """Give JSON texts with the SDP they are rendered to, or null where they are refused."""
    plain: Json = {
        "ufrag": "abcd",
        "pwd": "0123456789abcdefghij+/",
        "fingerprint": FINGERPRINT,
        "setup": "actpass",
        "candidates": [],
    }
    changes: list[Json] = [
        {},
        {"setup": "active"},
        {"setup": "passive"},
        {"candidates": [["host", "192.0.2.1", 50000]]},
        {"candidates": [["host", "2001:db8::1", 1], ["srflx", "198.51.100.7", 65535]]},
        {"candidates": [["srflx", "203.0.113.9", 9], ["srflx", "2001:db8:0:1:1:1:1:1", 5]]},
        {"candidates": [["host", "::1", 5], ["host", "fe80::1", 6]]},
        {"candidates": [["host", f"192.0.2.{n}", 5000 + n] for n in range(8)]},
        {"ufrag": "a" * 64, "pwd": "b" * 64},
        {"ufrag": "abc"},
        {"ufrag": "a" * 65},
        {"ufrag": "abcd\n"},
        {"ufrag": "ab cd"},
        {"ufrag": "abcd\r\na=x"},
        {"ufrag": 5},
        {"ufrag": None},
        {"pwd": "short"},
        {"pwd": "c" * 65},
        {"pwd": "c" * 21 + "\n"},
        {"fingerprint": ""},
        {"fingerprint": FINGERPRINT[:-1]},
        {"fingerprint": FINGERPRINT.replace("=", "")},
        {"fingerprint": base64.b64encode(bytes(31)).decode()},
        {"fingerprint": base64.b64encode(bytes(33)).decode()},
        {"fingerprint": "-" * 43 + "="},
        {"fingerprint": list(range(32))},
        {"setup": "holdconn"},
        {"setup": ["active"]},
        {"candidates": [["host", f"192.0.2.{n}", 5000 + n] for n in range(9)]},
        {"candidates": None},
        {"candidates": {}},
        {"candidates": "host"},
        {"candidates": [[]]},
        {"candidates": [["host", "192.0.2.1"]]},
        {"candidates": [["host", "192.0.2.1", 5, 6]]},
        {"candidates": [{"kind": "host", "ip": "192.0.2.1", "port": 5}]},
        {"candidates": [["relay", "192.0.2.1", 5]]},
        {"candidates": [["prflx", "192.0.2.1", 5]]},
        {"candidates": [["host", "192.0.2.1", 0]]},
        {"candidates": [["host", "192.0.2.1", 65536]]},
        {"candidates": [["host", "192.0.2.1", -1]]},
        {"candidates": [["host", "192.0.2.1", "5"]]},
        {"candidates": [["host", "192.0.2.1", 5.5]]},
        {"candidates": [["host", "192.0.2.1", True]]},
        {"candidates": [["host", "192.0.2.01", 5]]},
        {"candidates": [["host", "192.0.2", 5]]},
        {"candidates": [["host", "192.0.2.256", 5]]},
        {"candidates": [["host", "0x7f.1", 5]]},
        {"candidates": [["host", "2001:DB8::1", 5]]},
        {"candidates": [["host", "2001:db8:0::1", 5]]},
        {"candidates": [["host", "2001:db8:0:0:1:1:1:1", 5]]},
        {"candidates": [["host", "[::1]", 5]]},
        {"candidates": [["host", "fe80::1%eth0", 5]]},
        {"candidates": [["host", "fe80::1%\r\na=x:", 5]]},
        {"candidates": [["host", "::ffff:192.0.2.1", 5]]},
        {"candidates": [["host", "::ffff:c000:201", 5]]},
        {"candidates": [["host", "::ffff:0:c000:201", 5]]},
        {"candidates": [["host", "::192.0.2.1", 5]]},
        {"candidates": [["host", "b0a1.local", 5]]},
        {"candidates": [["host", "", 5]]},
        {"candidates": [["host", "192.0.2.1 typ host\r\na=x", 5]]},
        {"media": 1},
        {"media": 2},
        {"media": 2, "setup": "active", "candidates": [["srflx", "192.0.2.1", 50000]]},
        {"media": 3},
        {"media": 3, "setup": "active", "candidates": [["srflx", "192.0.2.1", 50000]]},
        {"media": 3, "setup": "active", "lacks": [13, 7]},
        {"media": 3, "lacks": []},
        {"media": 3, "setup": "active", "lacks": [0, 14]},
        {"media": 3, "lacks": [-1]},
        {"media": 3, "lacks": [15]},
        {"media": 3, "lacks": [1] * 15},
        {"media": 3, "lacks": "7"},
        {"media": 255, "setup": "active", "candidates": [["host", "192.0.2.1", 50000]]},
        {"media": 0},
        {"media": 256},
        {"media": 1.5},
        {"media": True},
        {"media": "1"},
        {"media": None},
        {"sdp": "v=0"},
        {"__proto__": {"ufrag": "abcd"}},
        {"constructor": "x"},
    ]
    texts = [json.dumps(plain | change) for change in changes]
    texts += [json.dumps({k: v for k, v in plain.items() if k != name}) for name in plain]
    texts += ["", "null", "[]", "{}", "5", '"abcd"', "{", "[" * 5000, '{"type":1,"sdp":{}}']
    return [{"text": text, "sdp": _sdp(text)} for text in texts]


def _sdp(text: str) -> str | None:
    try:
        return sdp.to_sdp(msgspec.json.decode(text, type=description.Description))
    except (msgspec.MsgspecError, RecursionError):
        return None


_BROWSER = """\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic: WMS
m=application 50123 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 198.51.100.7
{candidates}a=ice-ufrag:Ab+/
a=ice-pwd:0123456789abcdefghijklmn
a=ice-options:trickle
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
"""

_CANDIDATES = """\
a=candidate:1 1 udp 2113937151 0b4c2f9e-7d3a.local 50123 typ host generation 0 network-cost 999
a=candidate:2 1 udp 2113937151 192.0.2.4 50124 typ host generation 0 network-cost 999
a=candidate:3 1 UDP 1677729535 198.51.100.7 50123 typ SRFLX raddr 0.0.0.0 rport 0 generation 0
a=candidate:4 1 udp 2113939711 2001:DB8:0::7 50125 typ host generation 0
a=candidate:5 1 tcp 1518280447 192.0.2.4 9 typ host tcptype active generation 0
a=candidate:6 1 udp 33562367 203.0.113.5 60000 typ relay raddr 198.51.100.7 rport 50123
a=candidate:7 2 udp 2113937151 192.0.2.4 50126 typ host
"""


def make_candidates() -> list[Json]:
    """Give lists of candidates with those that are used, in a laboratory and elsewhere."""
    networks: list[address.IPNetwork] = [net for _, nets in address._IPV4 for net in nets]
    networks += [net for _, nets in address._IPV6 for net in nets]
    edges = [
        str(edge) for network in networks for edge in _edges(network) if _is_canonical(str(edge))
    ]
    lists: list[list[list[object]]] = [[["host", ip, 50_000]] for ip in edges]
    lists += [
        [["srflx", "8.8.8.8", port] for port in (1, 53, 1023, 1024, 65535)],
        [["srflx", "8.8.8.8", 5000 + port] for port in range(5)],
        [["srflx", "8.8.8.8", 5000]] * 3 + [["host", "8.8.8.8", 5000]],
        [["host", f"8.8.{n}.8", 5000] for n in range(8)],
        [["host", "10.0.0.1", 5000], ["srflx", "8.8.8.8", 5000], ["host", "2a00::1", 5000]],
        [],
    ]
    return [{"given": given, **_vetted(given)} for given in lists]


def _edges(network: address.IPNetwork) -> Iterator[IPAddress]:
    """Yield the first and last address of a network, and their neighbours outside it."""
    make = type(network[0])
    for number in (int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1):
        if 0 <= number < 2**network.max_prefixlen:
            yield make(number)


def _is_canonical(text: str) -> bool:
    try:
        return description.canonical(text) == text
    except ValueError:
        return False


def _vetted(given: list[list[object]]) -> Json:
    fields = {"ufrag": "abcd", "pwd": "p" * 22, "fingerprint": FINGERPRINT, "setup": "actpass"}
    found = msgspec.convert({**fields, "candidates": given}, description.Description)
    return {
        name: json.loads(msgspec.json.encode(candidates.vet(found, private=private).candidates))
        for name, private in (("used", False), ("laboratory", True))
    }


def make_own_sdp() -> list[Json]:
    """Give SDP texts with the description read out of them, or null where something is missing."""
    fingerprint = ":".join(f"{byte:02X}" for byte in range(32))
    plain = _BROWSER.format(candidates="", fingerprint=fingerprint)
    full = _BROWSER.format(candidates=_CANDIDATES, fingerprint=fingerprint)
    many = "".join(
        f"a=candidate:{n} 1 udp 2113937151 192.0.2.{n} 5000 typ host\n" for n in range(12)
    )
    texts = [
        plain,
        plain.lower(),
        plain.replace("\n", "\r\n"),
        full.replace("\n", "\r\n"),
        _BROWSER.format(candidates=many, fingerprint=fingerprint),
        plain + "m=video 9 UDP/TLS/RTP/SAVPF 97 98\na=mid:1\na=sendonly\n",
        plain + "m=video 9 UDP/TLS/RTP/SAVPF 97 98\na=mid:1\na=inactive\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\na=mid:0\na=sendrecv\n" + plain,
        plain + "m=video 0 UDP/TLS/RTP/SAVPF 97 98\na=mid:1\na=inactive\n",
        plain.replace("sha-256", "sha-1"),
        plain.replace(fingerprint, fingerprint[:-3]),
        plain.replace("a=ice-pwd", "a=x"),
        plain.replace("a=setup", "a=x"),
        "",
    ]
    return [{"sdp": text, "description": _own(text)} for text in texts]


def _own(text: str) -> Json | None:
    try:
        found = sdp.from_own_sdp(text)
    except ValueError:
        return None
    values: Json = json.loads(msgspec.json.encode(found))
    return values


# --- descriptors -------------------------------------------------------------------------------


def make_descriptors() -> Json:
    """Give signed documents with what a volunteer reads in them, or why they are refused."""
    broker: Json = {
        "url": "https://broker.example",
        "seal_key": FINGERPRINT,
        "ticket_key": FINGERPRINT,
    }
    exit_: Json = {
        "id": "exit-1",
        "url": "wss://exit.example/v1/link",
        "spki_sha256": [FINGERPRINT],
    }
    plain: Json = {
        "name": "Example",
        "issued_s": NOW_S - 1000,
        "expires_s": NOW_S + 1000,
        "brokers": [broker],
        "exits": [exit_],
    }
    many = [{**exit_, "id": f"exit-{n}"} for n in range(257)]
    changes: list[Json] = [
        {},
        {"stun": ["stun:stun.example:3478"], "format": 1, "later": {"a": []}},
        {"name": "\u0628\u0631\u06cc\u062f\u0686 \U0001f309"},
        {"exits": [exit_, {**exit_, "id": "b", "url": "ws://127.0.0.1:9000/v1/link", "weight": 5}]},
        {"brokers": [{**broker, "url": "http://127.0.0.1:8000"}]},
        {"exits": [{**exit_, "gateway": {"sites": ["a.example"], "first_day": 1, "keys": [KEYS]}}]},
        {"format": 2},
        {"format": "1"},
        {"name": ""},
        {"name": "n" * 101},
        {"issued_s": -1},
        {"expires_s": 2**48},
        {"expires_s": NOW_S},
        {"expires_s": NOW_S - 1},
        {"brokers": []},
        {"brokers": [{**broker, "url": "ftp://broker.example"}]},
        {"brokers": [{**broker, "url": "https://"}]},
        {"brokers": [{**broker, "url": "https://user@broker.example"}]},
        {"brokers": [{**broker, "seal_key": "AAAA"}]},
        {"brokers": [{**broker, "ticket_key": None}]},
        {"exits": []},
        {"exits": many},
        {"exits": [{**exit_, "id": "Exit"}]},
        {"exits": [{**exit_, "id": "a" * 33}]},
        {"exits": [{**exit_, "id": "a\n"}]},
        {"exits": [{**exit_, "url": "https://exit.example"}]},
        {"exits": [{**exit_, "url": "wss://exit.example/" + "a" * 256}]},
        {"exits": [{**exit_, "spki_sha256": []}]},
        {"exits": [{**exit_, "spki_sha256": [FINGERPRINT] * 5}]},
        {"stun": ["turn:stun.example"]},
        {"stun": ["stun:"]},
        {"stun": ["stun:a b"]},
        {"stun": "stun:stun.example"},
        {"private_candidates": True},
        {"private_candidates": False},
        {"private_candidates": 1},
        {"private_candidates": None},
    ]
    payloads = [json.dumps(plain | change, ensure_ascii=False) for change in changes]
    payloads += ["", "null", "[]", "{}", "5"]
    documents = [_signed(payload) for payload in payloads]
    documents += [
        _signed(payloads[0], key=STRANGER),
        _signed(payloads[0], context=b""),
        _signed(payloads[0]).replace("Example", "Exampie"),
        _signed(payloads[0]).replace('"signature"', '"sign"'),
        json.dumps({"payload": payloads[0], "signature": ""}),
        json.dumps({"payload": payloads[0], "signature": "!"}),
        json.dumps({"payload": 5, "signature": FINGERPRINT}),
        _signed(payloads[0])[:-1] + ', "more": 1}',
        _signed(payloads[0]) + " " * limits.DESCRIPTOR_BYTES,
        "",
        "null",
        "<html>",
    ]
    return {
        "now_s": NOW_S,
        "operator_key": base64.b64encode(OPERATOR_KEY).decode(),
        "documents": [{"text": text, **_verified(text)} for text in documents],
    }


def _signed(
    payload: str,
    *,
    key: Ed25519PrivateKey = OPERATOR,
    context: bytes = b"passerelle descriptor 1 ",
) -> str:
    signature = base64.b64encode(key.sign(context + payload.encode())).decode()
    return json.dumps({"payload": payload, "signature": signature}, ensure_ascii=False)


def _verified(text: str) -> Json:
    try:
        found = descriptor.verify(text.encode(), OPERATOR_KEY, now_s=NOW_S)
    except ConfigError as error:
        sentence = str(error)
        if "not signed" in sentence:
            return {"refused": "signature"}
        return {"refused": "expired" if "expired" in sentence else "format"}
    return {
        "descriptor": {
            "name": found.name,
            "issued_s": found.issued_s,
            "expires_s": found.expires_s,
            "brokers": [broker.url for broker in found.brokers],
            "exits": [{"id": exit_.id, "url": exit_.url} for exit_ in found.exits],
            "stun": list(found.stun),
            "private_candidates": found.private_candidates,
        }
    }


# --- messages ----------------------------------------------------------------------------------


def make_signalling() -> list[Json]:
    """Give texts from a broker with how Python writes them again, or why they are refused."""
    offer: Json = {
        "type": "offer",
        "offer": 7,
        "exit": "exit-1",
        "ticket": "dGlja2V0",
        "description": {
            "ufrag": "abcd",
            "pwd": "0123456789abcdefghij+/",
            "fingerprint": FINGERPRINT,
            "setup": "actpass",
            "candidates": [["host", "192.0.2.1", 50000]],
        },
    }
    values: list[object] = [
        {"type": "welcome"},
        {"type": "welcome", "version": 1},
        {"type": "welcome", "version": "1"},
        {"type": "welcome", "extra": 1},
        {"type": "welcome", "version": 1, "country": "IR", "caution": True},
        {"type": "welcome", "country": None, "caution": False},
        {"type": "welcome", "country": "ir"},
        {"type": "welcome", "country": "IRN"},
        {"type": "welcome", "country": "I\n"},
        {"type": "welcome", "country": "<b"},
        {"type": "welcome", "country": 5},
        {"type": "welcome", "caution": 1},
        {"type": "welcome", "caution": "true"},
        {"type": "welcome", "caution": None},
        {"type": "welcome", "version": 1, "heartbeat_s": 2.5},
        {"type": "welcome", "heartbeat_s": None},
        {"type": "welcome", "heartbeat_s": 0},
        {"type": "welcome", "heartbeat_s": "3"},
        {"type": "welcome", "heartbeat_s": 2.5, "idle_s": 15},
        {"type": "welcome", "idle_s": None},
        {"type": "welcome", "idle_s": 3601},
        {"type": "welcome", "test": {"exit": "exit-1", "ticket": "t"}},
        {"type": "welcome", "test": None},
        {"type": "welcome", "test": {"exit": "exit-1", "ticket": "t", "more": 1}},
        {"type": "welcome", "test": {"exit": "wss://x/", "ticket": "t"}},
        {"type": "welcome", "test": {"exit": "exit-1"}},
        {"type": "welcome", "test": {"exit": "exit-1", "ticket": "t" * 513}},
        {"type": "welcome", "test": "exit-1"},
        {"type": "pong"},
        {"type": "pong", "extra": 1},
        {"type": "pong", "demand": "many"},
        {"type": "pong", "demand": "nobody"},
        {"type": "pong", "demand": "everybody"},
        {"type": "pong", "demand": ["some"]},
        {"type": "pong", "demand": 5},
        {"type": "pong", "demand": None},
        {"type": "ping"},
        offer,
        {**offer, "offer": 0},
        {**offer, "offer": 2**31 - 1},
        {**offer, "offer": 2**31},
        {**offer, "offer": -1},
        {**offer, "offer": 1.5},
        {**offer, "offer": True},
        {**offer, "exit": "wss://evil.example/"},
        {**offer, "exit": "exit-1\n"},
        {**offer, "exit": ""},
        {**offer, "exit": 5},
        {**offer, "ticket": "t" * 512},
        {**offer, "ticket": "t" * 513},
        {**offer, "ticket": None},
        {**offer, "url": "wss://evil.example/"},
        {**offer, "country": "CN"},
        {**offer, "country": None},
        {**offer, "country": "C"},
        {**offer, "country": "CN\n"},
        {**offer, "country": ["CN"]},
        {**offer, "description": {}},
        {**offer, "description": "v=0"},
        {**offer, "description": None},
        {k: v for k, v in offer.items() if k != "ticket"},
        {**offer, "patient": True},
        {**offer, "patient": False},
        {**offer, "patient": 1},
        {"type": "friend_reply", "id": 3, "reply": "AAEC"},
        {"type": "friend_reply", "id": 3, "reply": None},
        {"type": "friend_reply", "id": 3},
        {"type": "friend_reply", "id": -1, "reply": None},
        {"type": "friend_reply", "id": 3, "reply": "not base64!"},
        {"type": "friend_reply", "id": 3, "reply": None, "more": 1},
        {"type": "bye", "reason": "restart", "retry_after_s": 1.5},
        {"type": "bye", "reason": "full", "retry_after_s": 86400},
        {"type": "bye", "reason": "version"},
        {"type": "bye", "reason": "malformed", "retry_after_s": None},
        {"type": "bye", "reason": "restart", "retry_after_s": -1},
        {"type": "bye", "reason": "restart", "retry_after_s": 86401},
        {"type": "bye", "reason": "restart", "retry_after_s": "1"},
        {"type": "bye", "reason": "because"},
        {"type": "hello", "version": 1, "software": "x", "free": 1},
        {"type": 1, "sdp": {}},
        {"type": "__proto__"},
        {"type": "constructor"},
        {"type": ["offer"]},
        {"__proto__": {"type": "welcome"}},
        {},
        [],
        None,
        5,
        "welcome",
    ]
    texts = [json.dumps(value) for value in values]
    texts += [
        "",
        "{",
        "\x00",
        '{"type":"welcome"',
        '{"type":"bye","reason":"full","retry_after_s":1e999}',
    ]
    texts += ["[" * 8000, '{"type":"welcome","version":' + " " * 9000 + "1}"]
    return [{"text": text, **_decoded(text)} for text in texts]


def _decoded(text: str) -> Json:
    try:
        message = signalling.decode_from_broker(text)
    except PeerError as error:
        return {"refused": error.code.name.lower()}
    return {"message": json.loads(msgspec.json.encode(message))}


def make_volunteer() -> list[str]:
    """Give what a volunteer says of itself, as Python writes it."""
    messages: list[signalling.FromVolunteer] = [signalling.VolunteerReady(3)]
    messages.append(signalling.VolunteerPing())
    for nat in signalling.NatClass:
        messages.append(signalling.VolunteerHello(1, "x/1", 5, nat))
        messages.append(signalling.VolunteerReady(0, nat))
    return [signalling.encode(message) for message in messages]


def make_friends() -> list[Json]:
    """Give pasted texts with the sealed message Python finds in them, or null; and the answer."""
    sealed = bytes(range(256)) * 5
    text = friend.encode(friend.TextKind.ASK, sealed)
    texts = [
        text,
        f"> Hello! Please paste this:\n\n{text}\nThank you.",
        text.upper().replace("\n", "\r\n \t"),
        text.replace("\n", ""),
        "> " + text.replace("\n", "\n> "),
        friend.encode(friend.TextKind.ASK, b""),
        friend.encode(friend.TextKind.ANSWER, sealed),
        text[:-1],
        text[:-5] + ".",
        text.replace("a", "b", 5),
        text.replace("1:", "1: 0"),
        text.replace("1:", "2:"),
        "passerelle-ask1:.",
        "passerelle-ask1:a.",
        "",
        "hello",
    ]
    return [{"text": each, **_pasted(each)} for each in texts]


def _pasted(text: str) -> Json:
    try:
        sealed = friend.decode(friend.TextKind.ASK, text)
    except ConfigError:
        return {"sealed": None, "answer": None}
    answer = friend.encode(friend.TextKind.ANSWER, sealed)
    return {"sealed": base64.b64encode(sealed).decode(), "answer": answer}


def make_control() -> Json:
    """Give texts beside a link with what Python reads in them for a relay, and what relays say."""
    half: Json = {
        "ufrag": "abcd",
        "pwd": "0123456789abcdefghij+/",
        "fingerprint": FINGERPRINT,
        "setup": "actpass",
        "candidates": [["host", "192.0.2.1", 50000]],
    }
    lane: Json = {"type": "lane", "lane": 7, "ticket": "dGlja2V0", "description": half}
    values: list[object] = [
        {"type": "drain"},
        {"type": "later", "a": 1},
        {"type": "lane_answer", "lane": 7, "description": half},
        {"type": "lane_refused", "lane": 7},
        lane,
        {**lane, "lane": 0},
        {**lane, "lane": 2**31 - 1},
        {**lane, "ticket": ""},
        {**lane, "ticket": "t" * 512},
        {**lane, "later": {}},
        {**lane, "lane": 2**31},
        {**lane, "lane": -1},
        {**lane, "lane": 1.5},
        {**lane, "lane": True},
        {**lane, "lane": "7"},
        {**lane, "lane": None},
        {**lane, "ticket": "t" * 513},
        {**lane, "ticket": 5},
        {**lane, "description": {}},
        {**lane, "description": {**half, "sdp": "v=0"}},
        {**lane, "description": {**half, "candidates": [["host", "a.local", 5]]}},
        {**lane, "description": "v=0"},
        {**lane, "description": None},
        {**lane, "description": {**half, "media": 1}},
        {"type": "got", "next": 0},
        {"type": "got", "next": 2**32 - 1},
        {"type": "got", "next": 2**32},
        {"type": "got", "next": -1},
        {"type": "got", "next": "1"},
        {"type": "got"},
        {"type": "resend", "gaps": [[0, 1]]},
        {"type": "resend", "gaps": [[n, n + 1] for n in range(16)]},
        {"type": "resend", "gaps": [[2**32 - 1, 0]], "later": 1},
        {"type": "resend", "gaps": [[n, n + 1] for n in range(17)]},
        {"type": "resend", "gaps": []},
        {"type": "resend", "gaps": [[1]]},
        {"type": "resend", "gaps": [[1, 2, 3]]},
        {"type": "resend", "gaps": [[1, 2**32]]},
        {"type": "resend", "gaps": [{"first": 1, "end": 2}]},
        {"type": "resend", "gaps": 5},
        {"type": "resend"},
        *({k: v for k, v in lane.items() if k != name} for name in lane),
        {},
        {"type": 1},
        {"type": ["lane"]},
        {"type": "__proto__"},
        {"__proto__": lane},
        [],
        None,
        "drain",
        {"type": "later", "a": "a" * 9000},
    ]
    texts = [json.dumps(value) for value in values] + ["", "{", "[" * 8000]
    found = msgspec.json.decode(json.dumps(half), type=description.Description)
    return {
        "received": [{"text": text, **_controlled(text)} for text in texts],
        "sent": [
            control.encode(message)
            for message in (
                control.RelayDrain(),
                control.LaneAnswer(7, found),
                control.LaneRefused(7),
            )
        ],
    }


def _controlled(text: str) -> Json:
    try:
        message = control.decode(text)
    except PeerError as error:
        return {"refused": error.code.name.lower()}
    if not isinstance(message, control.Lane | control.Got | control.Resend):
        return {"message": None}
    return {"message": json.loads(msgspec.json.encode(message))}


def make_media() -> list[Json]:
    """Give messages and the frames of both versions that hold them."""
    cases = [[b"a"], [b"a", b"bc", bytes(range(256))], [bytes(1000)] * 5]
    return [
        {
            "messages": [message.hex() for message in messages],
            "frame": video.pack(0, list(enumerate(messages))).hex(),
            "picture": picture.hex(),
            "picture_frame": frame.wrap(
                picture, 0, list(enumerate(messages)), got=7, unsent=len(messages), sent=123_456
            ).hex(),
        }
        for messages, picture in zip(cases, (b"", KEY_FRAME, b"\x01" + bytes(299)), strict=True)
    ]


def make_call() -> Json:
    """Give messages with their pieces and in frames, and what calls show for given chances."""
    messages = (b"a", bytes(range(256)) * 2, bytes(240), b"bc" * 8192)
    encoded = [KEY_FRAME[:10] + bytes(600), b"\x11" + bytes(700), b"\x11" + bytes(9)]
    chances = [[(turn * 37 + at * 53) % 101 / 101 for at in range(10)] for turn in range(40)]
    return {
        "messages": [
            {"message": each.hex(), "pieces": [piece.hex() for piece in pieces.split(each)]}
            for each in messages
        ],
        "frames": [_call_frame(each) for each in encoded],
        "looks": [
            {
                "chances": each,
                "large": large,
                **asdict(look(iter(each).__next__, may_be_large=large)),
            }
            for each, large in zip(chances, itertools.cycle((True, False)), strict=False)
        ],
    }


def _call_frame(encoded: bytes) -> Json:
    packer = MessagePacker()
    for size in (200, 240, 100, 500):
        packer.push(bytes([size % 251]) * size)
    frame = packer.fill(encoded, got=7)
    picture = callframe.unfill(frame).picture
    return {"encoded": encoded.hex(), "frame": frame.hex(), "picture": picture.hex()}


if __name__ == "__main__":
    main()
