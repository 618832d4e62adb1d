from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import oblivious
from passerelle.wire.capsule import encode_integer
from passerelle.wire.oblivious import (
    AnswerOpener,
    AnswerSealer,
    KeyConfiguration,
    UnknownKeyError,
    open_request,
    seal_request,
)
from tests.vectors.sealed import GATEWAY, KEY_ID, NONCE
from tests.wire.outcome import refusal

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "oblivious.json").read_text(encoding="ascii")
)
CONFIGURATION = KeyConfiguration(KEY_ID, GATEWAY.public_key().public_bytes_raw())
KEYS = {KEY_ID: GATEWAY}


def key(text: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(text))


def test_hpke_is_that_of_the_rfc() -> None:
    """The library opens and exports what RFC 9180 A.1 says, so our labels rest on the right one."""
    rfc = VECTORS["rfc9180"]
    suite = CipherSuite.new(
        KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM
    )  # fmt: skip
    context = suite.create_recipient_context(
        bytes.fromhex(rfc["enc"]),
        KEMKey.from_pyca_cryptography_key(key(rfc["recipient"])),
        bytes.fromhex(rfc["info"]),
    )
    for aad, sealed in rfc["sealed"].items():
        opened = context.open(bytes.fromhex(sealed), bytes.fromhex(aad))
        assert opened.hex() == rfc["plaintext"]
    for about, exported in rfc["exported"].items():
        assert context.export(bytes.fromhex(about), 32).hex() == exported


def test_keys_are_derived_as_in_the_rfc() -> None:
    """With RFC 9458's labels, request and answer of its appendix A open."""
    rfc = VECTORS["rfc9458"]
    sealed = bytes.fromhex(rfc["sealed_request"])
    enc = sealed[7:39]
    assert sealed[:7] == oblivious.header(1)
    context = oblivious.recipient(1, enc, key(rfc["key"]), b"message/bhttp request")
    assert context.open(sealed[39:]).hex() == rfc["request"]
    secret = context.export(b"message/bhttp response", oblivious.NONCE_BYTES)
    assert secret.hex() == rfc["secret"]
    answer_key, answer_nonce = oblivious.answer_keys(secret, enc, bytes.fromhex(rfc["nonce"]))
    assert (answer_key.hex(), answer_nonce.hex()) == (rfc["answer_key"], rfc["answer_nonce"])
    answer = bytes.fromhex(rfc["sealed_answer"])[16:]
    assert AESGCM(answer_key).decrypt(answer_nonce, answer, None).hex() == rfc["answer"]


def test_configurations_are_read_and_written() -> None:
    """A configuration comes back, and is 41 bytes; other algorithms are refused."""
    encoded = CONFIGURATION.encode()
    assert len(encoded) == 41
    assert KeyConfiguration.decode(encoded) == CONFIGURATION
    for other in VECTORS["refused_configurations"]:
        with pytest.raises(ValueError, match="a key configuration"):
            KeyConfiguration.decode(bytes.fromhex(other))


@given(st.binary(max_size=2000), st.integers(1, 7))
def test_requests_come_back(plaintext: bytes, chunks: int) -> None:
    """A request opens whole, in however many chunks it was sealed."""
    sealed = seal_request(CONFIGURATION, plaintext, chunks=chunks)
    opened = open_request(sealed.message, KEYS)
    assert (opened.plaintext, opened.enc, opened.secret) == (plaintext, sealed.enc, sealed.secret)


@given(st.data())
def test_a_changed_request_is_refused(data: st.DataObject) -> None:
    """No bit of a request can be changed, and no byte be cut off or added."""
    message = bytearray(seal_request(CONFIGURATION, b"hello" * 9, chunks=3).message)
    change = data.draw(st.sampled_from(["flip", "cut", "add"]))
    at = data.draw(st.integers(0, len(message) - 1))
    if change == "flip":
        message[at] ^= data.draw(st.integers(1, 255))
    elif change == "cut":
        del message[at:]
    else:
        message.insert(at, data.draw(st.integers(0, 255)))
    with pytest.raises(PeerError):
        open_request(bytes(message), KEYS)


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    """Nothing that is not sealed to a key of ours raises anything but the declared error."""
    for message in (garbage, oblivious.header(KEY_ID) + garbage):
        assert refusal(partial(open_request, message, KEYS)) is LinkCode.MALFORMED


def test_another_key_is_told_apart() -> None:
    """A request to a key that has gone is no fault, and says so."""
    message = seal_request(CONFIGURATION, b"hello").message
    with pytest.raises(UnknownKeyError):
        open_request(message, {KEY_ID + 1: GATEWAY})
    with pytest.raises(PeerError) as refused:
        open_request(message, {KEY_ID: X25519PrivateKey.generate()})
    assert refused.value.code is LinkCode.MALFORMED


def test_a_point_of_small_order_is_refused() -> None:
    """An ephemeral key that gives everybody the same secret opens nothing."""
    assert refusal(
        lambda: open_request(oblivious.header(KEY_ID) + bytes(32 + 30), KEYS)
    ) is LinkCode.MALFORMED  # fmt: skip


def _answer(chunks: list[bytes]) -> tuple[bytes, AnswerOpener]:
    sealed = seal_request(CONFIGURATION, b"hello")
    sealer = AnswerSealer(open_request(sealed.message, KEYS), NONCE)
    parts = [sealer.seal(chunk) for chunk in chunks[:-1]] + [sealer.seal(chunks[-1], final=True)]
    return b"".join(parts), sealed.answer()


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.binary(), st.integers(1, 99))
def test_answers_come_back(chunks: list[bytes], last: bytes, step: int) -> None:
    """An answer opens chunk by chunk, in whatever pieces it arrives."""
    message, opener = _answer([*chunks, last])
    found: list[bytes] = []
    for at in range(0, len(message), step):
        found += opener.receive(message[at : at + step])
    assert found == chunks
    assert opener.end() == last


def test_a_chunk_has_the_overhead_that_sizes_are_made_of() -> None:
    """A full chunk of an answer is one link message with its frame's header."""
    message, _ = _answer([bytes(limits.ANSWER_CHUNK_BYTES), b"last"])
    _, alone = _answer([b"last"])
    del alone
    first = oblivious.NONCE_BYTES + limits.ANSWER_CHUNK_BYTES + oblivious.CHUNK_OVERHEAD_BYTES
    assert len(message) == first + 1 + 4 + oblivious.TAG_BYTES
    assert first - oblivious.NONCE_BYTES < limits.LINK_MESSAGE_BYTES - 5


@given(st.data())
def test_a_changed_answer_is_refused(data: st.DataObject) -> None:
    """Chunks that are altered, left out, swapped, repeated or cut off are never shown as whole."""
    chunks = [b"first", b"second", b"third"]
    sealed = seal_request(CONFIGURATION, b"hello")
    sealer = AnswerSealer(open_request(sealed.message, KEYS), NONCE)
    pieces = [sealer.seal(chunk, final=chunk == b"third") for chunk in chunks]
    order = data.draw(st.lists(st.integers(0, 2), max_size=4))
    message = bytearray(b"".join(pieces[n] for n in order))
    if order == [0, 1, 2]:
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] ^= data.draw(st.integers(1, 255))
    opener = sealed.answer()

    def everything() -> list[bytes]:
        found = opener.receive(bytes(message))
        return [*found, opener.end()]

    assert refusal(everything) in {LinkCode.MALFORMED, LinkCode.LIMIT}


def test_a_long_chunk_is_refused_before_it_has_come() -> None:
    """A gateway that announces a huge chunk, or never ends the last one, fills no memory."""
    for endless in (encode_integer(limits.SEALED_CHUNK_BYTES + 1), b"\x00"):
        _, opener = _answer([b"x"])

        def fill(opener: AnswerOpener = opener, endless: bytes = endless) -> None:
            opener.receive(bytes(oblivious.NONCE_BYTES) + endless)
            for _ in range(40):
                opener.receive(bytes(1000))

        assert refusal(fill) is LinkCode.LIMIT


def test_an_answer_opens_for_its_own_request_only() -> None:
    """What answers one request means nothing to another one."""
    message, _ = _answer([b"one", b"two"])
    other = seal_request(CONFIGURATION, b"hello").answer()
    assert refusal(lambda: other.receive(message)) is LinkCode.MALFORMED


def test_secrets_do_not_show_themselves() -> None:
    """Neither what was asked nor what opens the answer gets into a log by accident."""
    sealed = seal_request(CONFIGURATION, b"hello")
    opened = open_request(sealed.message, KEYS)
    assert repr(sealed) == "SealedRequest()"
    assert repr(opened) == "OpenedRequest()"
