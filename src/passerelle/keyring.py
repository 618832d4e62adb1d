"""The keys of a network, as files in one folder.

| file              | what it is                                                              |
|-------------------|-------------------------------------------------------------------------|
| operator.key      | Ed25519: signs the network's descriptor; its public half is in invites  |
| broker-seal.key   | X25519: opens rendezvous requests                                       |
| broker-ticket.key | Ed25519: signs tickets                                                  |
| broker-ticket.pub | Ed25519: public half of broker-ticket.key, for exits on other machines  |
| exit-link.pem     | private key and certificate of the exits inside links                   |

Whoever has these files *is* the network. Folders are made with mode 0700, files with 0600.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.errors import ConfigError, LocalError
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.wire import descriptor
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry
from passerelle.wire.invite import Invite
from passerelle.wire.ways import Way, write

OPERATOR_FILE: Final = "operator.key"
SEAL_FILE: Final = "broker-seal.key"
TICKET_FILE: Final = "broker-ticket.key"
TICKET_PUBLIC_FILE: Final = "broker-ticket.pub"
LINK_FILE: Final = "exit-link.pem"

LIFETIME_S: Final = 7 * 86_400
"""Life of a descriptor: a client that was away for a weekend still starts with its copy, and a
stolen broker address is of no use for longer."""

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_OTHERS = 0o077

K = TypeVar("K", Ed25519PrivateKey, X25519PrivateKey)


@dataclass(frozen=True, slots=True)
class Keyring:
    """One network's keys."""

    operator: Ed25519PrivateKey = field(repr=False)
    broker_seal: X25519PrivateKey = field(repr=False)
    broker_ticket: Ed25519PrivateKey = field(repr=False)
    exit_link: LinkIdentity = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Return new keys, which are written nowhere."""
        return cls(
            Ed25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
            LinkIdentity.generate(),
        )

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Load the keys in `folder`, and make those that do not exist yet.

        Two programs that do this at the same time end up with the same keys. Raises ConfigError
        when a file is damaged, readable by other accounts, or when the operator's key alone is
        missing; LocalError when the folder cannot be used.
        """
        try:
            folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
            _require_operator_key(folder)
            made = cls(
                _load_or_make(folder / OPERATOR_FILE, Ed25519PrivateKey.generate, _read_ed25519),
                _load_or_make(folder / SEAL_FILE, X25519PrivateKey.generate, _read_x25519),
                _load_or_make(folder / TICKET_FILE, Ed25519PrivateKey.generate, _read_ed25519),
                _load_or_make_identity(folder / LINK_FILE),
            )
            _write_public(folder / TICKET_PUBLIC_FILE, made.broker_ticket.public_key())
            return made
        except OSError as error:
            raise LocalError(
                f"The keys in {folder} cannot be read or written: {error.strerror}. Check that "
                "the folder belongs to this account and that the disk is not full, or name "
                "another folder."
            ) from error

    def invite(self, broker_url: str, ways: Sequence[Way] = ()) -> Invite:
        """Return the invite to this network through the broker at `broker_url`.

        `ways` are further ways to that broker.
        """
        return Invite(broker_url, self.operator.public_key().public_bytes_raw(), tuple(ways))

    def descriptor(
        self,
        name: str,
        *,
        broker_url: str,
        exit_url: str,
        exit_id: str,
        now_s: float,
        more_brokers: Sequence[str] = (),
        more_exits: Mapping[str, str] = MappingProxyType({}),
        stun: Sequence[str] = (),
        ways: Sequence[Way] = (),
        direct: bool = False,
        private_candidates: bool = False,
        lifetime_s: int = LIFETIME_S,
    ) -> tuple[Descriptor, bytes]:
        """Return the network's description as of Unix time `now_s`, and the signed document.

        `more_brokers` are the URLs of further brokers with the same keys, `more_exits` those of
        further exits with the same key, by their ids. `ways` are all ways to the broker, the best
        first; without any, its URL is the only one. Raises ConfigError when a name or a URL would
        not be accepted by those who read it.
        """
        try:
            public_keys = (
                self.broker_seal.public_key().public_bytes_raw(),
                self.broker_ticket.public_key().public_bytes_raw(),
            )
            entries = (
                (
                    BrokerEntry(broker_url, *public_keys, write(ways)),
                    *(BrokerEntry(url, *public_keys) for url in more_brokers),
                ),
                tuple(
                    ExitEntry(each, url, (self.exit_link.spki_sha256,), direct)
                    for each, url in {exit_id: exit_url, **more_exits}.items()
                ),
            )
        except ValueError as error:
            raise ConfigError(
                f"The network's addresses cannot be used: {error}. A broker's looks like "
                "https://broker.example, an exit's like wss://exit.example."
            ) from error
        made = Descriptor(
            name,
            int(now_s),
            int(now_s) + lifetime_s,
            entries[0],
            entries[1],
            tuple(stun),
            private_candidates,
        )
        document = descriptor.sign(made, self.operator)
        # Signing checks nothing, so the operator would learn of a mistake from readers only.
        public = self.operator.public_key().public_bytes_raw()
        try:
            return descriptor.verify(document, public, now_s=now_s), document
        except ConfigError as error:
            raise ConfigError(
                "This network cannot be described: its name may have 1 to 100 characters, an "
                "address 256, and STUN servers look like stun:stun.example:3478. Check the options."
            ) from error


@dataclass(frozen=True, slots=True)
class ExitKeys:
    """The keys of an exit without a broker: they cannot speak for the network."""

    link: LinkIdentity
    tickets: tuple[Ed25519PublicKey, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Load `exit-link.pem`, and `broker-ticket.pub` or the whole key. Raises ConfigError."""
        for name in (LINK_FILE, TICKET_FILE):
            if not (folder / name).exists() and not (folder / TICKET_PUBLIC_FILE).exists():
                raise ConfigError(
                    f"{folder / name} is missing. Run `passerelle serve` once to make the "
                    f"network's keys, or copy {LINK_FILE} and {TICKET_PUBLIC_FILE} here."
                )
        identity = _load_or_make_identity(folder / LINK_FILE)
        if (folder / TICKET_FILE).exists():
            path = folder / TICKET_FILE
            return cls(identity, (_read_ed25519(path, path.read_bytes()).public_key(),))
        path = folder / TICKET_PUBLIC_FILE
        try:
            public = serialization.load_pem_public_key(path.read_bytes())
        except ValueError as error:
            raise _damaged(path) from error
        if not isinstance(public, Ed25519PublicKey):
            raise _damaged(path)
        return cls(identity, (public,))


def _require_operator_key(folder: Path) -> None:
    others = [name for name in (SEAL_FILE, TICKET_FILE, LINK_FILE) if (folder / name).exists()]
    if others and not (folder / OPERATOR_FILE).exists():
        raise ConfigError(
            f"{folder / OPERATOR_FILE} is missing, though other keys are there. A new one would "
            "make every invite worthless: put it back from a backup. To start a new network, name "
            "an empty folder."
        )


def _load_or_make(path: Path, make: Callable[[], K], read: Callable[[Path, bytes], K]) -> K:
    return read(path, _load_or_write(path, lambda: _pem(make())))


def _load_or_make_identity(path: Path) -> LinkIdentity:
    pem = _load_or_write(path, lambda: LinkIdentity.generate().pem)
    try:
        return LinkIdentity.from_pem(pem)
    except ConfigError as error:
        raise _damaged(path) from error


def _pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_ed25519(path: Path, pem: bytes) -> Ed25519PrivateKey:
    key = _read(path, pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise _damaged(path)
    return key


def _read_x25519(path: Path, pem: bytes) -> X25519PrivateKey:
    key = _read(path, pem)
    if not isinstance(key, X25519PrivateKey):
        raise _damaged(path)
    return key


def _read(path: Path, pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ConfigError:
    if path.name == OPERATOR_FILE:
        advice = "Put it back from a backup; without it, a new network needs new invites."
    else:
        advice = "Put it back from a backup, or delete it: a new one is made."
    return ConfigError(f"{path} does not hold the key it should. {advice}")


def _load_or_write(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of `path`, after writing what `make` returns if it does not exist."""
    if not path.exists():
        _write(path, make())
    if path.stat().st_mode & _OTHERS:
        raise ConfigError(
            f"{path} can be read by other accounts of this machine. Run: chmod 600 {path} (and if "
            "somebody else may have read it, make new keys in another folder)."
        )
    return path.read_bytes()


def _write_public(path: Path, key: Ed25519PublicKey) -> None:
    """Make `path` hold this public key, also where another key's was before."""
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not path.exists() or path.read_bytes() != pem:
        path.unlink(missing_ok=True)
        _write(path, pem)


def _write(path: Path, content: bytes) -> None:
    """Write a private file in one step; keep the file that another program made meanwhile."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A rename would replace another program's key; a hard link fails if the name is taken.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
