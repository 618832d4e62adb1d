"""Where an address is, coarsely: its country and whose network it belongs to.

Answered from a database inside a package, in memory: nothing is asked of anybody, and no address
is logged or kept. Loading it takes about 0.3 s and 120 MiB, so it waits for the first look-up.
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
    """What is known of an address; None where nothing is."""

    country: str | None
    """ISO 3166-1 alpha-2, upper case."""
    asn: int | None
    """A number for the network's operator, the same wherever the operator is the same. Not the
    registered AS number: the data names operators only."""


NOWHERE: Final = Location(None, None)


class LocationDatabase:
    """The database, loaded at the first look-up. May be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database: GeoIP2Fast | None = None

    def load(self) -> None:
        """Load the database now, if it is not yet; takes a fraction of a second of CPU."""
        with self._lock:
            if self._database is None:
                self._database = _open()

    def look_up(self, address: IPAddress) -> Location:
        """Return where `address` is. Takes 10 µs once the database is loaded."""
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
        # Its source has escapes that newer versions of Python print a warning about.
        warnings.simplefilter("ignore")
        from geoip2fast import GeoIP2Fast  # noqa: PLC0415 - most commands never ask

    with resources.as_file(resources.files("geoip2fast") / _DATA) as path:
        return GeoIP2Fast(verbose=False, geoip2fast_data_file=str(path))


def _number(operator: str) -> int:
    digest = hashlib.blake2b(operator.encode(), digest_size=_ASN_BYTES).digest()
    return int.from_bytes(digest)
