"""Public addresses of a network's servers and doors, as an operator writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from passerelle import limits
from passerelle.browserports import blocked_port
from passerelle.core.address.host import HostError, parse_host, to_ascii
from passerelle.errors import ConfigError
from passerelle.serve import WORKER_MARK, is_laboratory
from passerelle.wire.ways import require_http

_PORTS: Final = range(1, 65536)
_URL_CHARS: Final = 256
"""Longest base URL that descriptors and invites hold (`wire.ways`)."""
_BASE = re.compile(r"https?://[^/@]+(/[A-Za-z0-9/._~!$&'()*+,;=:%-]*)?")
"""A base URL that browsers ask for as it is written: RFC 3986's paths, without an @."""


def require_usable(option: str, urls: Sequence[str]) -> None:
    """Raise ConfigError for an address that browsers read otherwise than it is written, and for one
    with a port that none of them connects to.
    """
    for url in urls:
        fault = _authority_fault(url)
        if fault is not None:
            raise ConfigError(f"{option} {url} cannot be used: {fault}")
        try:
            port = blocked_port(url.replace(WORKER_MARK, "1"))
        except ValueError:
            continue  # What it is else is checked where it is used.
        if port is not None:
            raise ConfigError(
                f"{option} {url} cannot be used: no browser connects to port {port}, which belongs "
                "to another protocol. Choose another port, for example 443 or 8443."
            )


def doors(urls: Sequence[str], servers: Sequence[str]) -> tuple[str, ...]:
    """Return the doors at `urls`, each once. `servers` are the addresses of the network itself.

    Raises ConfigError for what is no door, and for one that would help nobody.
    """
    if len(urls) > limits.DOORS:
        raise ConfigError(f"A network names at most {limits.DOORS} doors. Leave some --door out.")
    require_usable("--door", urls)
    for url in urls:
        fault = _door_fault(url, servers)
        if fault is not None:
            raise ConfigError(f"--door {url} cannot be used: {fault}")
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


def _authority_fault(url: str) -> str | None:
    """Return what is wrong with the host and port in `url`; None if nothing is, or it has none."""
    try:
        authority = urlsplit(url.replace(WORKER_MARK, "1")).netloc
    except ValueError:
        return "what stands in brackets is no address. Write an IPv6 address as [2001:db8::1]."
    if not authority:
        return None
    if "@" in authority:
        return (
            "it has a user's name in front of the host, which nobody sends. Leave that and @ out."
        )
    try:
        written = to_ascii(authority)
    except HostError:
        written = ""
    if written != authority:
        return f"browsers have other letters for its host. Write {written or 'those'} instead."
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host = authority
    elif not port.isdecimal() or int(port) not in _PORTS:
        return f"{port or 'nothing'} is no port. Write one from 1 to 65535, or leave the : out."
    if host.endswith("."):
        return (
            "its host ends with a dot, so browsers take it for another one, whose certificate it "
            "has not. Leave that dot out."
        )
    try:
        parse_host(host)
    except HostError:
        return f"{host} is no host name. Write it as its web server is named, without %."
    return None


def _door_fault(url: str, servers: Sequence[str]) -> str | None:
    """Return why no reader comes in by the door at `url`; None if nothing is in the way."""
    parts = urlsplit(url)
    try:
        require_http(url)
        is_base = _BASE.fullmatch(url) is not None
    except ValueError:
        is_base = False
    if not is_base or {".", ".."} & set(unquote(parts.path).split("/")):
        return (
            "browsers would ask for something else. Write the door's base URL as its owner has it, "
            "for example https://news.example/passerelle, with https in small letters."
        )
    if len(url) > _URL_CHARS:
        return f"it has {len(url)} characters, and invites have room for {_URL_CHARS}."
    is_here = is_laboratory(url)
    if is_here and not is_laboratory(servers[0]):
        return (
            "it leads each reader into a network of their own, where your door is not. Name the "
            "web server as everybody reaches it."
        )
    if parts.scheme != "https" and not is_here:
        return (
            "without https readers' pages may not ask it, and their network could read whose door "
            "it is. Give that web server a certificate, and name its https:// address."
        )
    host = parse_host(parts.hostname or "")
    if not is_here and (not isinstance(host, str) or "." not in host):
        return (
            f"{host} is no name of a web site, so a connection to it looks like none to one. Name "
            "the site as its visitors do."
        )
    if any(_is_same(url, server) for server in servers):
        return (
            "it is an address of this network itself, which is blocked together with it. A door "
            "stands on somebody else's web server: name that one's address "
            "(integrations/door/README.md)."
        )
    return None


def _is_same(url: str, server: str) -> bool:
    """Whether both have one host. In a laboratory many servers share it, so the ports count too."""
    one, other = urlsplit(url), urlsplit(server)
    if one.hostname != other.hostname:
        return False
    return not is_laboratory(url) or one.netloc.lower() == other.netloc.lower()
