"""The country and the network of an address, from databases on this machine.

The format is MaxMind's (MMDB), in which several publishers give away such data, so an operator can
renew it. A country's database comes with the program; it knows no networks. Look-ups happen in this
process, and no address is logged or stored.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
import lzma
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from passerelle import serverlimits
from passerelle.core.address.classes import AddressClass, classify
from passerelle.errors import ConfigError

if TYPE_CHECKING:
    from maxminddb import Reader

    from passerelle.core.address.host import IPAddress

_log = logging.getLogger(__name__)

BUILT_IN: Final = Path(__file__).parent.parent.parent / "_places" / "countries.mmdb.xz"
"""The database of countries that set-up puts beside the program."""
_ASN_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Location:
    """The country and network of an address; a field is None where no database has it."""

    country: str | None
    """The ISO 3166-1 alpha-2 code, in upper case."""
    asn: int | None
    """A number that stands for the network's operator: equal numbers mean the same operator. It is
    the AS number, or a hash where a database has something else in its place."""


NOWHERE: Final = Location(None, None)


@dataclass(frozen=True, slots=True)
class Edition:
    """One database that is loaded."""

    name: str
    """The name of its file."""
    built_s: int
    """When it was made, in Unix time."""


class LocationDatabase:
    """Databases that are asked one after the other, loaded at the first look-up.

    Threads may share it.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        """`files` are MMDB files, asked before the one that comes with the program."""
        self._files = tuple(files)
        self._lock = threading.Lock()
        self._readers: list[Reader] | None = None

    def load(self) -> list[Edition]:
        """Load the databases unless they are loaded, in 0.3 s; return them.

        Raises ConfigError when one cannot be read. Without the program's own, only the files count.
        """
        with self._lock:
            if self._readers is None:
                paths = (*self._files, *((BUILT_IN,) if BUILT_IN.exists() else ()))
                self._readers = [_open(path) for path in paths]
                self._editions = [
                    Edition(path.name, reader.metadata().build_epoch)
                    for path, reader in zip(paths, self._readers, strict=True)
                ]
        return self._editions

    def look_up(self, address: IPAddress) -> Location:
        """Return the location of `address`. It takes some 20 µs once the databases are loaded.

        The first database that knows a country or network decides it.
        """
        if classify(address) is not AddressClass.PUBLIC:
            return NOWHERE
        self.load()
        country: str | None = None
        asn: int | None = None
        for record in self._records(address):
            country = country or _country(record)
            asn = _network(record) if asn is None else asn
        return Location(country, asn)

    def _records(self, address: IPAddress) -> list[Mapping[str, Any]]:
        assert self._readers is not None  # loaded
        found: list[Mapping[str, Any]] = []
        for reader in self._readers:
            # A database of IPv4 addresses is not asked for others, and may refuse that.
            if address.version == 4 or reader.metadata().ip_version == 6:
                record = _record(reader, address)
                if isinstance(record, dict):
                    found.append(record)
        return found


def _record(reader: Reader, address: IPAddress) -> object:
    """Return what a database says of an address; None where it is damaged there.

    `_open` has looked at one address only, and a peer's address must not end what handles the peer.
    """
    try:
        return reader.get(str(address))
    except (RuntimeError, ValueError):  # InvalidDatabaseError is a RuntimeError
        _log.warning("A database of places is damaged. Fetch it again.")
        return None


def _open(path: Path) -> Reader:
    # A reader's installation lacks this package.
    maxminddb = importlib.import_module("maxminddb")
    try:
        if path.suffix == ".xz":
            reader: Reader = maxminddb.open_database(_unpacked(path), maxminddb.MODE_FD)
        else:
            reader = maxminddb.open_database(path)
        reader.get("9.9.9.9")  # what is damaged shows now, and not when the first peer comes
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
    except (maxminddb.InvalidDatabaseError, lzma.LZMAError, EOFError, ValueError) as error:
        raise ConfigError(
            f"{path} is no whole database in MaxMind's format (MMDB). Fetch it again."
        ) from error
    return reader


class _File(io.BytesIO):
    """A file in memory; the database's reader wants to know its name."""

    name = "countries.mmdb"


def _unpacked(path: Path) -> _File:
    with lzma.open(path) as packed:
        return _File(packed.read(serverlimits.PLACES_BYTES))


def _country(record: Mapping[str, Any]) -> str | None:
    """Return the country in a record of ip-location-db, MaxMind or DB-IP."""
    code = record.get("country_code")
    if code is None and isinstance(country := record.get("country"), dict):
        code = country.get("iso_code")
    is_code = isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha()
    return code.upper() if is_code and isinstance(code, str) else None


def _network(record: Mapping[str, Any]) -> int | None:
    """Return the operator in a record, which may be a number or a text such as `AS64496`."""
    for name in ("autonomous_system_number", "asn", "autonomous_system_organization"):
        found = record.get(name)
        if isinstance(found, int):
            return found
        if isinstance(found, str) and found:
            number = found.upper().removeprefix("AS")
            return int(number) if number.isdecimal() and number.isascii() else _hash(found)
    return None


def _hash(operator: str) -> int:
    digest = hashlib.blake2b(operator.encode(), digest_size=_ASN_BYTES).digest()
    return int.from_bytes(digest)
