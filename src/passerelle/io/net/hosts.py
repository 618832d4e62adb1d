"""Names that this machine knows by itself: those of its hosts file, and `localhost`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from passerelle.core.address.host import IPAddress

HOSTS_FILE: Final = (
    Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "drivers", "etc", "hosts")
    if sys.platform == "win32"
    else Path("/etc/hosts")
)
LOOPBACK: Final = (ip_address("::1"), ip_address("127.0.0.1"))
_LOCAL: Final = "localhost"

_log = logging.getLogger(__name__)


class HostsFile:
    """A hosts file (hosts(5)), read again whenever it has changed."""

    def __init__(self, path: Path = HOSTS_FILE) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._names: dict[str, tuple[IPAddress, ...]] = {}

    def addresses(self, name: str) -> Sequence[IPAddress]:
        """Return the addresses of a lower-case name, IPv6 first (RFC 6724); none if it is unknown.

        `localhost` and names below it are loopback unless the file says otherwise (RFC 6761 §6.3).
        A file that cannot be read knows no names.
        """
        self._read_if_changed()
        if name in self._names:
            return self._names[name]
        return LOOPBACK if name == _LOCAL or name.endswith(f".{_LOCAL}") else ()

    def _read_if_changed(self) -> None:
        try:
            found = self._path.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if version != self._version:
                self._names = _parse(self._path.read_text(errors="replace"))
                self._version = version
        except OSError as error:
            if self._version is not None:
                _log.warning("cannot read %s: %s", self._path, error.strerror)
            self._version, self._names = None, {}


def _parse(text: str) -> dict[str, tuple[IPAddress, ...]]:
    """Return the addresses of each name. Lines that are not understood are passed over."""
    names: dict[str, list[IPAddress]] = {}
    for line in text.splitlines():
        written, *called = line.partition("#")[0].split() or [""]
        try:
            # A zone id after % names an interface of this machine; it is no part of the address.
            address = ip_address(written.partition("%")[0])
        except ValueError:
            continue
        for name in called:
            known = names.setdefault(name.lower().removesuffix("."), [])
            if address not in known:
                known.append(address)
    return {
        name: tuple(sorted(known, key=lambda address: -address.version))
        for name, known in names.items()
    }
