"""Who connects, and from where: a peer's address, and what matching may know of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import hdrs, web

from passerelle.broker.config import BrokerConfig
from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.forwarded import client_address
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import crowd, origin, site
from passerelle.core.matching.peers import UNKNOWN_LOCATION, PeerLocation
from passerelle.core.origin import crowd_at
from passerelle.io.server.frontserver import FrontServer
from passerelle.io.server.web import peer_address
from passerelle.wire import doors


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a rendezvous request, as far as the broker can know it."""

    origin: bytes = field(repr=False)
    """The origin (`core.origin`) that the request counts for. Every request has one, because
    somebody made the connection."""
    address: IPAddress | None = field(repr=False)
    """Where the asker is; None where only whoever carries the request was seen."""


class PeerLocator:
    """Finds the addresses of clients and volunteers, their countries and networks; keeps none."""

    def __init__(self, config: BrokerConfig, front: FrontServer) -> None:
        """`front` is told of each request whose sender is asked for."""
        self._config = config
        self._front = front
        self._database = config.places
        self._doors = {doors.door_key(config.seal_key, url): url for url in config.doors}
        """The base URLs of the network's doors, by their keys."""

    def address(self, request: web.Request) -> IPAddress | None:
        """Return the address that a request came from, None when it is not known.

        What a proxy says of it is believed if the proxy is one of the configured ones.
        """
        self._front.note_sender(request, self._config.trusted_proxies)
        fields = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        return client_address(peer_address(request), fields, self._config.trusted_proxies)

    def door(self, request: web.Request) -> str | None:
        """Return the base URL of the door that passed a request on, None if none did."""
        return self._doors.get(request.headers.get(doors.HEADER, ""))

    def sender(self, request: web.Request, *, cached: bool = False) -> Sender:
        """Return who sent a request; `cached` says that a cache may have fetched it.

        What a door, a named front or a cache brings counts for all who ask by it. An address that
        is not public says where the asker is in a laboratory only. Elsewhere it is that of a proxy
        which nobody has named.
        """
        address = self.address(request)
        door = self.door(request)
        if door is not None:
            return Sender(crowd_at(door), None)
        for network in self._config.front_networks:
            if address is not None and address in network:
                return Sender(crowd(network), None)
        asker = address
        if self._config.descriptor.private_candidates:
            asker = address or peer_address(request)
        elif address is not None and classify(address) is not AddressClass.PUBLIC:
            asker = None
        return Sender(origin(address), None if cached else asker)

    def locate(self, address: IPAddress | None) -> PeerLocation:
        """Return where `address` is. The first public one loads the databases, unless they are."""
        network = site(address)
        if address is None or network is None:
            return UNKNOWN_LOCATION
        found = self._database.look_up(address)
        return PeerLocation(site=network, country=found.country, asn=found.asn)
