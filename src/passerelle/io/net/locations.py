"""The country and the network of an address.

The database comes inside a package and is read in memory, so no address leaves this process, and
none is logged or stored. Loading takes about 0.3 s and 120 MiB, so it waits for the first look-up.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from geoip2fast import GeoIP2Fast  # type: ignore[import-untyped]

    from passerelle.core.address.host import IPAddress

_DATA: Final = "geoip2fast-asn-ipv6.dat.gz"
_ASN_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Location:
    """The country and network of an address; a field is None where the database has nothing."""

    country: str | None
    """The ISO 3166-1 alpha-2 code, in upper case."""
    asn: int | None
    """A number that stands for the network's operator: equal numbers mean the same operator. It is
    a hash of the operator's name and not the registered AS number, which the data lacks."""


NOWHERE: Final = Location(None, None)


class LocationDatabase:
    """The database, which is loaded at the first look-up. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database: GeoIP2Fast | None = None

    def load(self) -> None:
        """Load the database unless it is loaded; this takes a fraction of a second of CPU."""
        with self._lock:
            if self._database is None:
                self._database = _open()

    def look_up(self, address: IPAddress) -> Location:
        """Return the location of `address`. It takes 10 µs once the database is loaded."""
        self.load()
        assert self._database is not None  # loaded
        found = self._database.lookup(str(address))
        if found.is_private:
            return NOWHERE
        country = found.country_code
        return Location(
            country if len(country) == 2 and country.isalpha() else None,
            _number(found.asn_name) if found.asn_name else None,
        )


def _open() -> GeoIP2Fast:
    with warnings.catch_warnings():
        # The package's source has escapes that newer versions of Python warn about.
        warnings.simplefilter("ignore")
        from geoip2fast import GeoIP2Fast  # noqa: PLC0415 - most commands never ask

    with resources.as_file(resources.files("geoip2fast") / _DATA) as path:
        return GeoIP2Fast(verbose=False, geoip2fast_data_file=str(path))


def _number(operator: str) -> int:
    digest = hashlib.blake2b(operator.encode(), digest_size=_ASN_BYTES).digest()
    return int.from_bytes(digest)
