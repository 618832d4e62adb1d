"""Public addresses of a network's servers and doors, as an operator writes them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from passerelle import limits
from passerelle.browserports import blocked_port
from passerelle.errors import ConfigError
from passerelle.serve import is_laboratory
from passerelle.wire.ways import require_http


def require_open_ports(option: str, urls: Sequence[str]) -> None:
    """Raise ConfigError for an address with a port that no browser connects to."""
    for url in urls:
        try:
            port = blocked_port(url)
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
    for url in urls:
        try:
            require_http(url)
        except ValueError:
            raise ConfigError(
                f"--door {url} cannot be used: it is the door's base URL, for example "
                "https://news.example/passerelle."
            ) from None
        if urlsplit(url).scheme != "https" and not is_laboratory(url):
            raise ConfigError(
                f"--door {url} cannot be used: without https readers' pages may not ask it, and "
                "their network could read whose door it is. Give that web server a certificate, "
                "and name its https:// address."
            )
        if any(_is_same(url, server) for server in servers):
            raise ConfigError(
                f"--door {url} is an address of this network itself, which is blocked together "
                "with it. A door stands on somebody else's web server: name that one's address "
                "(integrations/door/README.md)."
            )
    require_open_ports("--door", urls)
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


def _is_same(url: str, server: str) -> bool:
    """Whether both have one host. In a laboratory many servers share it, so the ports count too."""
    one, other = urlsplit(url), urlsplit(server)
    if one.hostname != other.hostname:
        return False
    return not is_laboratory(url) or one.netloc.lower() == other.netloc.lower()
