from __future__ import annotations

import contextlib
import ssl

import pytest

from passerelle import limits
from passerelle.errors import ConfigError, LinkCode, PeerError
from passerelle.io.tunnel.tls import LinkIdentity, TlsPipe, exit_context
from tests.io.tunnel.pipes import CLIENT_TLS, EXIT_TLS, IDENTITY

PINS = (IDENTITY.spki_sha256,)


def handshake(client: TlsPipe, server: TlsPipe) -> None:
    client.handshake()
    for _ in range(3):
        server.feed(client.output())
        if not server.established:
            server.handshake()
        client.feed(server.output())
        if not client.established:
            client.handshake()


def established() -> tuple[TlsPipe, TlsPipe]:
    client, server = TlsPipe(CLIENT_TLS, PINS), TlsPipe(EXIT_TLS)
    handshake(client, server)
    assert client.established
    assert server.established
    return client, server


def test_bytes_pass_both_ways() -> None:
    """What one end writes the other end reads."""
    client, server = established()
    client.write(b"up")
    server.feed(client.output())
    assert server.read() == [b"up"]
    server.write(b"down")
    client.feed(server.output())
    assert client.read() == [b"down"]


def test_version_is_tls_1_3() -> None:
    """Both ends speak nothing older, and no session tickets tie two links together."""
    assert CLIENT_TLS.minimum_version is ssl.TLSVersion.TLSv1_3
    assert EXIT_TLS.minimum_version is ssl.TLSVersion.TLSv1_3
    client, server = established()
    assert server.output() == b""
    assert client.read() == []


def test_another_exits_key_is_refused_before_anything_is_sent() -> None:
    """A key that is not pinned raises IDENTITY; the client never finishes the handshake."""
    client, server = TlsPipe(CLIENT_TLS, PINS), TlsPipe(exit_context(LinkIdentity.generate()))
    with pytest.raises(PeerError) as caught:
        handshake(client, server)
    assert caught.value.code is LinkCode.IDENTITY
    assert not client.established
    assert not server.established


def test_any_of_several_pins_will_do() -> None:
    """During a key change the descriptor names two keys."""
    client = TlsPipe(CLIENT_TLS, (bytes(32), IDENTITY.spki_sha256))
    server = TlsPipe(EXIT_TLS)
    handshake(client, server)
    assert client.established


@pytest.mark.parametrize("position", [0, 3, 5, 20, -1])
def test_altered_byte_breaks_the_pipe(position: int) -> None:
    """Whichever byte is altered, the reader raises and writes no more."""
    client, server = established()
    client.write(b"the truth")
    record = bytearray(client.output())
    record[position] ^= 0x40
    server.feed(bytes(record) + bytes(20_000))
    with pytest.raises(PeerError) as caught:
        server.read()
    assert caught.value.code is LinkCode.TRANSPORT
    assert not server.established


def test_garbage_for_a_handshake_is_refused() -> None:
    """Something that is no ClientHello raises TRANSPORT."""
    server = TlsPipe(EXIT_TLS)
    server.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(PeerError) as caught:
        server.handshake()
    assert caught.value.code is LinkCode.TRANSPORT


def test_closed_tls_takes_nothing_more() -> None:
    """After close_notify OpenSSL reads no further, so the link must end, or bytes pile up."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = CLIENT_TLS.wrap_bio(incoming, outgoing, server_side=False)
    server = TlsPipe(EXIT_TLS)
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        server.feed(outgoing.read())
        if not server.established:
            server.handshake()
        incoming.write(server.output())
    assert server.established
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    server.feed(outgoing.read())
    with pytest.raises(PeerError) as caught:
        server.read()
    assert caught.value.code is LinkCode.TRANSPORT


def test_largest_record_fits_an_enveloped_message() -> None:
    """RECORD_BYTES of plaintext leave exactly the envelope's room in a link message."""
    client, _ = established()
    client.output()
    client.write(bytes(limits.RECORD_BYTES))
    assert len(client.output()) == limits.LINK_MESSAGE_BYTES - limits.ENVELOPE_BYTES


def test_identity_survives_its_pem() -> None:
    """What is read back proves the same key."""
    assert LinkIdentity.from_pem(IDENTITY.pem) == IDENTITY
    assert "PRIVATE" not in repr(IDENTITY)


@pytest.mark.parametrize(
    "pem", [b"", b"nonsense", IDENTITY.pem[:100]], ids=["empty", "nonsense", "cut short"]
)
def test_damaged_identity_is_told(pem: bytes) -> None:
    """A damaged key file is a ConfigError that says what to do."""
    with pytest.raises(ConfigError, match="Restore it from a backup"):
        LinkIdentity.from_pem(pem)
