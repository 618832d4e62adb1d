"""The protocol name and the path of a CONNECT-UDP request (RFC 9298 §2 and §3.4)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from passerelle.core.address.host import HostError, split_authority

PROTOCOL: Final = "connect-udp"
_PREFIX: Final = "/.well-known/masque/udp/"


def join_path(host: str, port: int) -> str:
    """Return the path for a host and port by the default template of RFC 9298 §2.

    A `:` in an IPv6 address is written as `%3A`.
    """
    return f"{_PREFIX}{quote(host, safe='')}/{port}/"


def split_path(path: str) -> tuple[str, int]:
    """Return the host and port in a path that `join_path` has made. Raises HostError."""
    prefix, template, rest = path.partition(_PREFIX)
    parts = rest.split("/")
    if prefix or not template or len(parts) != 3 or parts[2]:
        raise HostError("not a path of CONNECT-UDP")
    try:
        host = unquote(parts[0], errors="strict")
    except UnicodeDecodeError:
        raise HostError("not a host name") from None
    if host.startswith("["):
        raise HostError("an IPv6 address in a path has no brackets")
    return split_authority(f"[{host}]:{parts[1]}" if ":" in host else f"{host}:{parts[1]}")
