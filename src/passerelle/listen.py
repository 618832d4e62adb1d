"""The address and port of a server, as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from passerelle.errors import ConfigError

LAST_PORT: Final = 65_535
"""The highest port there is."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and port to accept connections on; an empty host means every address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT`. Raises ConfigError."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            colon = ""
        if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= LAST_PORT:
            raise ConfigError(
                f"{text!r} is no address to listen on. Write HOST:PORT, for example 0.0.0.0:443, "
                "[::]:443 or 127.0.0.1:8080."
            )
        return cls(host, int(port))
