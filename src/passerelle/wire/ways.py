"""Ways to a broker, for readers whose network blocks its name or address.

Each way leads to the same paths under the broker's base URL. A content delivery network, an AMP
cache or a door in the middle passes sealed messages on. In a descriptor a way is an object with a
`kind`; in an invite and on the command line it is `KIND=TEXT`.

| kind      | fields                                  | as text                       |
|-----------|-----------------------------------------|-------------------------------|
| `direct`  |                                         |                               |
| `fronted` | `url`, `front`                          | `FRONT,URL`                   |
| `amp`     | `cache`, optional `front`, optional `url` | `CACHE` or `FRONT,CACHE`    |
| `door`    | `url`                                   | `URL`                         |

`front` is the host (and port) to connect to, `url` the broker's base URL as whoever is in the
middle knows it, and `cache` the base URL of an AMP cache. A door's `url` is its own base URL
(`wire.doors`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from passerelle.wire import amp

NETWORK_PATH: Final = "/v1/network"
RENDEZVOUS_PATH: Final = "/v1/rendezvous"
AMP_NETWORK_PATH: Final = "/v1/amp/network"
AMP_RENDEZVOUS_PATH: Final = "/v1/amp/rendezvous/"
"""Path in front of a sealed request in base64url."""

BaseUrl = Annotated[str, Meta(min_length=8, max_length=256)]
FrontHost = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?\Z")]


class RequestTarget(msgspec.Struct, frozen=True):
    """Where a request goes: a censor sees the host in `url`, and only the middle sees `host`."""

    url: str
    host: str | None = None
    """The `Host` field of the request, if it is not the host in `url`."""


class DirectWay(msgspec.Struct, frozen=True, tag_field="kind", tag="direct"):
    """HTTPS to the broker's own address."""

    def target(self, broker_url: str, path: str) -> RequestTarget:
        """Return where `path` of the broker at `broker_url` is found."""
        return RequestTarget(broker_url + path)

    def __str__(self) -> str:
        return "direct"


class FrontedWay(msgspec.Struct, frozen=True, tag_field="kind", tag="fronted"):
    """HTTPS to a content delivery network under the name of another of its customers."""

    url: BaseUrl
    front: FrontHost

    def __post_init__(self) -> None:
        require_http(self.url)

    def target(self, broker_url: str, path: str) -> RequestTarget:
        """See `DirectWay.target`."""
        return _behind(self.front, self.url + path)

    def __str__(self) -> str:
        return f"fronted={self.front},{self.url}"


class AmpWay(msgspec.Struct, frozen=True, tag_field="kind", tag="amp", omit_defaults=True):
    """A GET through an AMP cache: the request in the path, the reply on a page."""

    cache: BaseUrl
    front: FrontHost | None = None
    url: BaseUrl | None = None
    """Base URL of the broker as the cache knows it; None if that is its public one."""

    def __post_init__(self) -> None:
        require_http(self.cache)
        if self.url is not None:
            require_http(self.url)

    def target(self, broker_url: str, path: str) -> RequestTarget:
        """See `DirectWay.target`."""
        cached = amp.cache_url(self.cache, (self.url or broker_url) + path)
        return RequestTarget(cached) if self.front is None else _behind(self.front, cached)

    def __str__(self) -> str:
        return f"amp={self.cache}" if self.front is None else f"amp={self.front},{self.cache}"


class DoorWay(msgspec.Struct, frozen=True, tag_field="kind", tag="door"):
    """HTTPS to somebody else's web server, which passes sealed messages on to broker and exits."""

    url: BaseUrl

    def __post_init__(self) -> None:
        require_http(self.url)

    def target(self, broker_url: str, path: str) -> RequestTarget:
        """See `DirectWay.target`."""
        return RequestTarget(self.url + path)

    def __str__(self) -> str:
        return f"door={self.url}"


Way = DirectWay | FrontedWay | AmpWay | DoorWay


def read(items: Iterable[dict[str, Any]]) -> tuple[Way, ...]:
    """Return the ways a descriptor lists, without those that this version does not understand."""
    found = []
    for item in items:
        try:
            found.append(msgspec.convert(item, Way))
        except (msgspec.ValidationError, ValueError):
            continue
    return tuple(found)


def write(ways: Sequence[Way]) -> tuple[dict[str, Any], ...]:
    """Return `ways` as a descriptor lists them."""
    return tuple(msgspec.to_builtins(way) for way in ways)


def parse(text: str) -> Way:
    """Read `KIND=TEXT`. Raises ValueError with a reason for a person."""
    kind, _, rest = text.partition("=")
    front, comma, url = rest.rpartition(",")
    url = url.rstrip("/")
    try:
        if kind == "door":
            return msgspec.convert({"kind": kind, "url": rest.rstrip("/")}, DoorWay)
        if kind == "fronted" and comma:
            return msgspec.convert({"kind": kind, "front": front, "url": url}, FrontedWay)
        if kind == "amp":
            return msgspec.convert({"kind": kind, "front": front or None, "cache": url}, AmpWay)
    except (msgspec.ValidationError, ValueError):
        raise ValueError(f"{rest!r} does not hold a host name and a URL that can be used") from None
    raise ValueError(f"{text!r} is no way to a broker")


def require_http(url: str) -> None:
    """Raise ValueError unless `url` is a base URL that `RequestTarget`s can be made of."""
    if not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise ValueError("a URL with blanks, control characters or parts that no base URL has")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an https URL")
    if parts.port == 0:  # reading it raises ValueError for what is no port
        raise ValueError("not a port")


def _behind(front: str, url: str) -> RequestTarget:
    parts = urlsplit(url)
    return RequestTarget(f"{parts.scheme}://{front}{parts.path}", parts.netloc)
