"""Destination hosts as text: IP literals in their usual form, or plain DNS names.

`getaddrinfo` takes `127.1`, `0x7f.1` and `2130706433` for 127.0.0.1. Two programs may disagree
about where such a text leads, so this module refuses it: a host is an IP literal in its usual form,
or a name that no resolver can mistake for an address.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address

_NAME_CHARS = 253
# Browsers look up names with underscores anywhere and with hyphens at either end of a label, and
# there are sites with such names. They want a letter or digit at the start of the last label only.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LAST_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# The WHATWG URL standard's "ends in a number" check: a host whose last label matches is either an
# IPv4 address or an error.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PIECE = re.compile(r"[^.:]+")
_PORT = re.compile(r"[0-9]{1,5}")


class HostError(ValueError):
    """A text is not a destination. The error never holds the text: destinations are not logged."""


def parse_host(text: str) -> IPAddress | str:
    """Return an address for an IP literal, else the DNS name, lower-case, without a trailing dot.

    IPv6 literals may stand in brackets. Raises `HostError` for anything else: non-ASCII text (names
    must come as A-labels; `to_ascii` makes them), empty or overlong labels, zone ids, numeric forms
    such as `127.1`.
    """
    if not text.isascii():
        raise HostError("a host name must be ASCII; write it in its xn-- form")
    if text.startswith("[") and text.endswith("]"):
        return _parse_ipv6(text[1:-1])
    if ":" in text:
        return _parse_ipv6(text)
    name = text.lower().removesuffix(".")
    try:
        return IPv4Address(name)
    except ValueError:
        pass
    *labels, last = name.split(".")
    if len(name) > _NAME_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise HostError("not a host name")
    if not _LAST_LABEL.fullmatch(last):
        raise HostError("not a host name")
    if _NUMBER.fullmatch(last):
        raise HostError("not an address in its usual form")
    return name


def to_ascii(text: str) -> str:
    """Return a host, or a host and port, with each label that is not ASCII as an A-label.

    Applications usually do this themselves. The mapping is that of browsers (UTS #46, without its
    exceptions for four letters) but for characters that no name may have: they give a name that
    does not exist. The result is unchecked and may be an address; `parse_host` judges it.
    Raises `HostError` for U+FFFD, which stands for bytes that were not UTF-8.
    """
    if text.isascii():
        return text
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise HostError("a host name must be ASCII or UTF-8")
    mapped = unicodedata.normalize("NFKC", text).lower().replace("\N{SOFT HYPHEN}", "")
    mapped = unicodedata.normalize("NFKC", mapped).replace("\N{IDEOGRAPHIC FULL STOP}", ".")
    return _PIECE.sub(_a_label, mapped)


def _a_label(label: re.Match[str]) -> str:
    text = label.group()
    return text if text.isascii() else f"xn--{text.encode('punycode').decode('ascii')}"


def _parse_ipv6(text: str) -> IPv6Address:
    # A zone id names a network interface of the machine that connects; the client's are not the
    # exit's.
    if "%" in text:
        raise HostError("an address with a zone is not a destination")
    try:
        return IPv6Address(text)
    except ValueError:
        # `from None` drops the original error, which quotes the text.
        raise HostError("not an IPv6 address") from None


def split_authority(authority: str, default_port: int | None = None) -> tuple[str, int]:
    """Split `host[:port]` (RFC 3986 §3.2, without userinfo) into a checked host and port.

    The host comes back normalised, as `str(parse_host(host))`: IPv6 without brackets. The port is
    1–65535; without one it is `default_port`. Raises `HostError` if either is missing or malformed.
    """
    host, colon, digits = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, digits = authority, ""
    elif ":" in host and not host.startswith("["):
        raise HostError("an IPv6 address in an authority needs brackets")
    if digits and not _PORT.fullmatch(digits):
        raise HostError("not a port")
    port = int(digits) if digits else default_port
    if port is None or not 1 <= port <= 65535:
        raise HostError("not a port")
    return str(parse_host(host)), port


def join_authority(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 literal in brackets, as `:authority` is (RFC 9113 §8.5)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
