"""Link security: TLS 1.3 over memory buffers, the exit's key pinned by the descriptor."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import tempfile
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.errors import ConfigError, LinkCode, PeerError

_READ_BYTES = 16 * 1024
_VALIDITY = datetime.timedelta(days=3650)
_NOT_BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """The key that an exit proves to have in every link, and a certificate that says only that."""

    pem: bytes = field(repr=False)
    """Private key and self-signed certificate."""
    spki_sha256: bytes
    """SHA-256 of the SubjectPublicKeyInfo, which the descriptor pins."""
    signing_key: Ed25519PrivateKey = field(repr=False, compare=False)
    """The private key, for what the exit says to brokers."""

    @classmethod
    def generate(cls) -> LinkIdentity:
        """Make a new identity (Ed25519)."""
        key = Ed25519PrivateKey.generate()
        name = x509.Name([])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOT_BEFORE)
            .not_valid_after(_NOT_BEFORE + 5 * _VALIDITY)
            .sign(key, None)
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return cls.from_pem(private + certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def from_pem(cls, pem: bytes) -> LinkIdentity:
        """Read private key and certificate from `pem`. Raises ConfigError when it is damaged."""
        try:
            key = serialization.load_pem_private_key(pem, None)
            certificate = x509.load_pem_x509_certificate(pem)
            if not isinstance(key, Ed25519PrivateKey):
                raise TypeError("an exit's key is of kind Ed25519")
        except (ValueError, TypeError):
            raise ConfigError(
                "The exit's link key file is damaged. Restore it from a backup, or delete it: a "
                "new key is made, and clients learn it from the next descriptor."
            ) from None
        return cls(pem, _spki_sha256(certificate), key)


def _spki_sha256(certificate: x509.Certificate) -> bytes:
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).digest()


def exit_context(identity: LinkIdentity) -> ssl.SSLContext:
    """Return the TLS settings of an exit's end of links."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Resumption would save nothing and would tie two links together.
    context.num_tickets = 0
    with tempfile.NamedTemporaryFile() as file:  # the ssl module reads keys from files only
        file.write(identity.pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def client_context() -> ssl.SSLContext:
    """Return the TLS settings of a client's end. `TlsPipe` checks the exit's key by its pins."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsPipe:
    """One end of a link's TLS over memory: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext, pins: tuple[bytes, ...] | None = None) -> None:
        """Make the exit's end; with `pins`, the SHA-256 of each allowed key, the client's end."""
        self._pins = pins
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=pins is None)
        self.established = False
        """Whether bytes can be sent: the handshake is done, the exit's key was the right one where
        it is checked, and nothing has broken the connection since."""

    def handshake(self) -> None:
        """Go on with the handshake as far as the bytes fed so far allow.

        Raises PeerError: IDENTITY for a key that is not pinned, TRANSPORT for any other failure.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise PeerError(LinkCode.TRANSPORT, "the link's TLS handshake failed") from error
        if self._pins is not None:
            self._check_pin(self._pins)
        self.established = True

    def _check_pin(self, pins: tuple[bytes, ...]) -> None:
        der = self._tls.getpeercert(binary_form=True)
        try:
            known = der is not None and _spki_sha256(x509.load_der_x509_certificate(der)) in pins
        except (ValueError, UnsupportedAlgorithm):
            # OpenSSL accepts certificates that `cryptography` does not. No exit of ours has one.
            known = False
        if not known:
            raise PeerError(LinkCode.IDENTITY, "the far end's key is not the one the network names")

    def feed(self, data: bytes) -> None:
        """Take bytes from the far end."""
        self._incoming.write(data)

    def read(self) -> list[bytes]:
        """Return what the bytes fed so far decrypt to.

        Raises PeerError(TRANSPORT) when a byte was altered, lost, repeated or added on the way. It
        raises the same when the far end has closed its TLS, since OpenSSL would only pile up what
        comes after that.
        """
        plain: list[bytes] = []
        try:
            while chunk := self._tls.read(_READ_BYTES):
                plain.append(chunk)
        except ssl.SSLWantReadError:
            return plain
        except ssl.SSLError as error:
            self.established = False
            raise PeerError(LinkCode.TRANSPORT, "the link's bytes were altered") from error
        self.established = False
        raise PeerError(LinkCode.TRANSPORT, "the far end closed its TLS")

    def write(self, data: bytes) -> None:
        """Encrypt `data`, at most `limits.RECORD_BYTES`, into one record."""
        self._tls.write(data)

    def output(self) -> bytes:
        """Return the bytes to send to the far end."""
        return self._outgoing.read()
