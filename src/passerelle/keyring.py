"""The keys of a network, as files in one folder.

| file              | what it is                                                              |
|-------------------|-------------------------------------------------------------------------|
| operator.key      | Ed25519: signs the network's descriptor; its public half is in invites  |
| broker-seal.key   | X25519: opens rendezvous requests                                       |
| broker-ticket.key | Ed25519: signs tickets                                                  |
| broker-ticket.pub | Ed25519: public half of broker-ticket.key, for exits on other machines  |
| exit-link.pem     | private key and certificate of the exits inside links                   |

Whoever has these files *is* the network. Folders are made with mode 0700, files with 0600. Keys are
made in one place, `Keyring.open_or_create`; whatever else opens a folder takes it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import keyfiles
from passerelle.errors import ConfigError, LocalError
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.wire import descriptor
from passerelle.wire.descriptor import BrokerEntry, Descriptor, DoorEntry, ExitEntry, GatewayEntry
from passerelle.wire.invite import Invite
from passerelle.wire.ways import Way, write

OPERATOR_FILE: Final = "operator.key"
SEAL_FILE: Final = "broker-seal.key"
TICKET_FILE: Final = "broker-ticket.key"
TICKET_PUBLIC_FILE: Final = "broker-ticket.pub"
LINK_FILE: Final = "exit-link.pem"
KEY_FILES: Final = (OPERATOR_FILE, SEAL_FILE, TICKET_FILE, LINK_FILE)

LIFETIME_S: Final = 7 * 86_400
"""Life of a descriptor: a client that was away for a weekend still starts with its copy, and a
stolen broker address is of no use for longer."""

_ALL_FILES: Final = (*KEY_FILES, TICKET_PUBLIC_FILE)
_LOSSES: Final = {
    SEAL_FILE: "clients fail until they have fetched the network's new description",
    TICKET_FILE: "tokens are void then, and sessions begin anew",
    LINK_FILE: "readers refuse this exit until they have fetched the network's new description",
}
"""What a new key in place of a lost one costs."""


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
        """Load the keys in `folder`. It makes none and writes nothing.

        Raises ConfigError when a file is missing, damaged, or within reach of other accounts;
        LocalError when the folder cannot be used.
        """
        with _readable(folder):
            _check_complete(folder)
            return cls._load(folder)

    @classmethod
    def open_or_create(cls, folder: Path, *, make_missing: bool = False) -> Self:
        """Load the keys in `folder`; make them all where there is none yet.

        A key that is missing beside others is made only with `make_missing`, and the operator's not
        even then. Two programs that do this at the same time end up with the same keys. Raises as
        `open` does.
        """
        with _readable(folder), keyfiles.sole_writer(folder):
            present = [name for name in _ALL_FILES if (folder / name).exists()]
            if present and not make_missing:
                _check_complete(folder)
            elif present:
                _check_operator_key(folder)
            # The operator's key comes last: without it the folder is known to be incomplete.
            for name in reversed(KEY_FILES):
                if not (folder / name).exists():
                    keyfiles.write(folder / name, _MAKERS[name]())
            made = cls._load(folder)
            _write_public(folder / TICKET_PUBLIC_FILE, made.broker_ticket.public_key())
            return made

    @classmethod
    def _load(cls, folder: Path) -> Self:
        return cls(
            _read_ed25519(folder / OPERATOR_FILE),
            _read_x25519(folder / SEAL_FILE),
            _read_ed25519(folder / TICKET_FILE),
            _read_identity(folder / LINK_FILE),
        )

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
        doors: Sequence[DoorEntry] = (),
        gateways: Mapping[str, GatewayEntry] = MappingProxyType({}),
        lifetime_s: int = LIFETIME_S,
    ) -> tuple[Descriptor, bytes]:
        """Return the network's description as of Unix time `now_s`, and the signed document.

        `more_brokers` are the URLs of further brokers with the same keys, `more_exits` those of
        further exits with the same key, by their ids; `gateways` are what exits have. `ways` are
        all ways to the broker, the best first; without any, its URL is the only one. Raises
        ConfigError when a name or a URL would not be accepted by those who read it.
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
                    ExitEntry(each, url, (self.exit_link.spki_sha256,), direct, gateways.get(each))
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
            tuple(doors),
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
        """Load `exit-link.pem`, and `broker-ticket.pub` or the whole key. It makes none.

        Raises ConfigError when one is missing, damaged, or within reach of other accounts;
        LocalError when the folder cannot be used.
        """
        with _readable(folder):
            has_ticket = any((folder / name).exists() for name in (TICKET_FILE, TICKET_PUBLIC_FILE))
            if not has_ticket or not (folder / LINK_FILE).exists():
                missing = folder / (LINK_FILE if has_ticket else TICKET_PUBLIC_FILE)
                raise ConfigError(
                    f"{missing} is missing. Run `passerelle serve` once to make the network's "
                    f"keys, or copy {LINK_FILE} and {TICKET_PUBLIC_FILE} here."
                )
            keyfiles.check_folder(folder)
            identity = _read_identity(folder / LINK_FILE)
            if (folder / TICKET_FILE).exists():
                return cls(identity, (_read_ed25519(folder / TICKET_FILE).public_key(),))
            path = folder / TICKET_PUBLIC_FILE
            try:
                public = serialization.load_pem_public_key(keyfiles.read_public(path))
            except ValueError as error:
                raise _damaged(path) from error
            if not isinstance(public, Ed25519PublicKey):
                raise _damaged(path)
            return cls(identity, (public,))


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn an OSError into a sentence about the folder."""
    try:
        yield
    except OSError as error:
        raise LocalError(
            f"The keys in {folder} cannot be read or written: {error.strerror}. Check that "
            "the folder belongs to this account and that the disk is not full, or name "
            "another folder."
        ) from error


def _check_complete(folder: Path) -> None:
    """Raise ConfigError if a key is missing or the folder is within reach of others."""
    _check_operator_key(folder)
    for name in KEY_FILES:
        if not (folder / name).exists():
            raise ConfigError(
                f"{folder / name} is missing, though other keys of the network are there. Put it "
                "back from a backup. Where there is none, start once with `passerelle serve "
                f"--make-missing-keys`: {_LOSSES[name]}."
            )
    keyfiles.check_folder(folder)


def _check_operator_key(folder: Path) -> None:
    if not (folder / OPERATOR_FILE).exists():
        raise ConfigError(
            f"{folder / OPERATOR_FILE} is missing. A new one beside the network's other keys would "
            "make every invite worthless: put it back from a backup. To start a new network, name "
            "an empty folder; where the first start was interrupted, delete the keys in this one."
        )


def _pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


_MAKERS: Final[Mapping[str, Callable[[], bytes]]] = {
    OPERATOR_FILE: lambda: _pem(Ed25519PrivateKey.generate()),
    SEAL_FILE: lambda: _pem(X25519PrivateKey.generate()),
    TICKET_FILE: lambda: _pem(Ed25519PrivateKey.generate()),
    LINK_FILE: lambda: LinkIdentity.generate().pem,
}


def _read_identity(path: Path) -> LinkIdentity:
    pem = keyfiles.read(path)
    try:
        return LinkIdentity.from_pem(pem)
    except ConfigError as error:
        raise _damaged(path) from error


def _read_ed25519(path: Path) -> Ed25519PrivateKey:
    key = _read(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise _damaged(path)
    return key


def _read_x25519(path: Path) -> X25519PrivateKey:
    key = _read(path)
    if not isinstance(key, X25519PrivateKey):
        raise _damaged(path)
    return key


def _read(path: Path) -> object:
    pem = keyfiles.read(path)
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ConfigError:
    if path.name == OPERATOR_FILE:
        advice = "Put it back from a backup; without it, a new network needs new invites."
    else:
        advice = (
            "Put it back from a backup, or delete it and start once with `passerelle serve "
            "--make-missing-keys`."
        )
    return ConfigError(f"{path} does not hold the key it should. {advice}")


def _write_public(path: Path, key: Ed25519PublicKey) -> None:
    """Make `path` hold this public key, also where another key's was before."""
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not path.exists() or path.read_bytes() != pem:
        path.unlink(missing_ok=True)
        keyfiles.write(path, pem)
