from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire import descriptor
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry
from passerelle.wire.ways import DirectWay, FrontedWay
from tests.wire.strategies import DESCRIPTORS, JSON_VALUES

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
DESCRIPTOR = Descriptor(
    name="Test",
    issued_s=1000,
    expires_s=2000,
    brokers=(BrokerEntry("https://broker.example", b"s" * 32, b"t" * 32),),
    exits=(ExitEntry("exit-1", "wss://exit.example/v1/link", (b"x" * 32,)),),
    stun=("stun:stun.example:3478",),
)


def signed(payload: str | dict[str, Any]) -> bytes:
    """Return a document with this payload, signed by the operator's key."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    signature = KEY.sign(b"passerelle descriptor 1 " + text.encode())
    return msgspec.json.encode({"payload": text, "signature": signature})


def plain() -> dict[str, Any]:
    decoded = msgspec.json.decode(msgspec.json.encode(DESCRIPTOR))
    assert isinstance(decoded, dict)
    return decoded


@given(DESCRIPTORS)
def test_round_trip(value: Descriptor) -> None:
    """Everybody reads what the operator signed, until it expires."""
    assert descriptor.verify(descriptor.sign(value, KEY), PUBLIC, now_s=value.expires_s) == value


def test_exits_are_found_by_id_only() -> None:
    """An unknown id is no exit."""
    assert DESCRIPTOR.exit("exit-1") is DESCRIPTOR.exits[0]
    assert DESCRIPTOR.exit("exit-2") is None
    assert DESCRIPTOR.exit("wss://exit.example/v1/link") is None


def test_another_key_is_told_apart_in_words() -> None:
    """The error says that the signature is wrong, and where to get a good invite."""
    document = descriptor.sign(DESCRIPTOR, KEY)
    for key in (bytes(32), b"short", Ed25519PrivateKey.generate().public_key().public_bytes_raw()):
        with pytest.raises(ConfigError, match=r"not signed by the key in the invite.*fresh invite"):
            descriptor.verify(document, key, now_s=1500)


def test_any_change_breaks_the_signature() -> None:
    """One changed character of the payload or bit of the signature is refused."""
    envelope = json.loads(descriptor.sign(DESCRIPTOR, KEY))
    for changed in (
        {**envelope, "payload": envelope["payload"].replace("exit.example", "evil.example")},
        {**envelope, "payload": envelope["payload"] + " "},
        {**envelope, "signature": "A" * 86 + "=="},
        {**envelope, "signature": ""},
    ):
        with pytest.raises(ConfigError, match="not signed"):
            descriptor.verify(json.dumps(changed).encode(), PUBLIC, now_s=1500)


def test_expiry() -> None:
    """A descriptor is good in its last second; after it the error says what to check."""
    document = descriptor.sign(DESCRIPTOR, KEY)
    assert descriptor.verify(document, PUBLIC, now_s=2000) == DESCRIPTOR
    with pytest.raises(ConfigError, match=r"has expired\. Check this computer's date"):
        descriptor.verify(document, PUBLIC, now_s=2000.5)


def test_unknown_fields_are_ignored_and_unknown_formats_are_not() -> None:
    """A later version may add fields; a later format asks for an update."""
    assert descriptor.verify(signed({**plain(), "later": 1}), PUBLIC, now_s=1500) == DESCRIPTOR
    with pytest.raises(ConfigError, match="later format; update Passerelle"):
        descriptor.verify(signed({**plain(), "format": 2}), PUBLIC, now_s=1500)


def test_size_is_limited() -> None:
    """A document beyond the limit is refused without being parsed."""
    with pytest.raises(ConfigError, match="too large"):
        descriptor.verify(b" " * (limits.DESCRIPTOR_BYTES + 1), PUBLIC, now_s=0)
    with pytest.raises(ConfigError, match="not a network description"):
        descriptor.verify(b" " * limits.DESCRIPTOR_BYTES, PUBLIC, now_s=0)


def entry(kind: str, url: str) -> dict[str, Any]:
    return {kind: [{**plain()[kind][0], "url": url}]}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "n" * 101},
        {"issued_s": -1},
        {"brokers": []},
        {"exits": []},
        {"brokers": plain()["brokers"] * (limits.DESCRIPTOR_ENTRIES + 1)},
        {"exits": plain()["exits"] * (limits.DESCRIPTOR_ENTRIES + 1)},
        {"stun": ["stun:a"] * (limits.DESCRIPTOR_ENTRIES + 1)},
        {"stun": ["turn:stun.example"]},
        {"stun": ["stun:a\n"]},
        {"stun": ["stun:a\r\nb"]},
        {"stun": ["stun:a,b"]},
        entry("brokers", "ftp://broker.example"),
        entry("brokers", "https://user@broker.example"),
        entry("brokers", "https:///nohost"),
        entry("brokers", "https://broker.example:0"),
        entry("brokers", "https://broker.example:99999"),
        entry("brokers", "https://[broker"),
        entry("brokers", "https://broker.example\r\n"),
        entry("brokers", "https://bro ker.example"),
        entry("brokers", "https://" + "b" * 250),
        entry("exits", "https://exit.example"),
        entry("exits", "wss://exit.example/\nx"),
        {"exits": [{**plain()["exits"][0], "id": "exit\n"}]},
        {"exits": [{**plain()["exits"][0], "spki_sha256": []}]},
        {"exits": [{**plain()["exits"][0], "spki_sha256": plain()["exits"][0]["spki_sha256"] * 5}]},
        {"exits": [{**plain()["exits"][0], "spki_sha256": ["AAAA"]}]},
    ],
)
def test_signed_but_wrong_fields_are_refused(change: dict[str, Any]) -> None:
    """Each limit holds even if the operator signed the document."""
    with pytest.raises(ConfigError, match="cannot read; update Passerelle"):
        descriptor.verify(signed({**plain(), **change}), PUBLIC, now_s=1500)


@pytest.mark.parametrize("payload", ["", "[]", "null", '{"x":' + "[" * 5000])
def test_signed_nonsense_is_a_config_error(payload: str) -> None:
    """Nonsense that the operator signed is a ConfigError."""
    with pytest.raises(ConfigError, match="cannot read"):
        descriptor.verify(signed(payload), PUBLIC, now_s=1500)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"{}",
        b"<html>",
        b'{"x":' + b"[" * 5000,
        b'{"payload":"\\ud800","signature":""}',
    ],
)
def test_other_documents_are_told_apart(document: bytes) -> None:
    """A captive portal's page, damaged JSON and endless nesting give one sentence."""
    with pytest.raises(ConfigError, match="is not a network description"):
        descriptor.verify(document, PUBLIC, now_s=1500)


@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_garbage_gives_only_config_errors(document: bytes) -> None:
    """No document raises anything but ConfigError."""
    with pytest.raises(ConfigError):
        descriptor.verify(document, PUBLIC, now_s=0)


@given(JSON_VALUES.map(json.dumps) | st.text(st.characters(codec="utf-8"), max_size=100))
def test_signed_garbage_gives_only_config_errors(payload: str) -> None:
    """No signed payload raises anything but ConfigError."""
    with pytest.raises(ConfigError):
        descriptor.verify(signed(payload), PUBLIC, now_s=0)


def test_ways_to_a_broker() -> None:
    """Without a list the broker's address is the only way; unknown kinds are skipped."""
    (broker,) = DESCRIPTOR.brokers
    assert broker.known_ways == (DirectWay(),)
    listed = plain()
    fronted = {"kind": "fronted", "url": "https://cdn.example", "front": "popular.example"}
    listed["brokers"][0]["ways"] = [{"kind": "pigeon", "loft": [1, {}]}, fronted]
    found = descriptor.verify(signed(listed), PUBLIC, now_s=1500)
    assert found.brokers[0].known_ways == (FrontedWay("https://cdn.example", "popular.example"),)


def test_ways_have_a_limit() -> None:
    listed = plain()
    listed["brokers"][0]["ways"] = [{"kind": "direct"}] * (limits.WAYS + 1)
    with pytest.raises(ConfigError, match="cannot read"):
        descriptor.verify(signed(listed), PUBLIC, now_s=1500)
