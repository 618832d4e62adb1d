"""Who connects, and from where: a peer's address, and what matching may know of it."""

from __future__ import annotations

from aiohttp import hdrs, web

from passerelle.broker.config import BrokerConfig
from passerelle.core.address.forwarded import client_address
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import site
from passerelle.core.matching.peers import UNKNOWN_LOCATION, PeerLocation
from passerelle.io.server.frontserver import FrontServer
from passerelle.io.server.web import peer_address


class PeerLocator:
    """Finds the addresses of clients and volunteers, their countries and networks; keeps none."""

    def __init__(self, config: BrokerConfig, front: FrontServer) -> None:
        """`front` is told of each request whose sender is asked for."""
        self._config = config
        self._front = front
        self._database = config.places

    def address(self, request: web.Request) -> IPAddress | None:
        """Return the address that a request came from, None when it is not known.

        What a proxy says of it is believed if the proxy is one of the configured ones.
        """
        self._front.note_sender(request, self._config.trusted_proxies)
        fields = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        return client_address(peer_address(request), fields, self._config.trusted_proxies)

    def locate(self, address: IPAddress | None) -> PeerLocation:
        """Return where `address` is. The first public one loads the databases, unless they are."""
        network = site(address)
        if address is None or network is None:
            return UNKNOWN_LOCATION
        found = self._database.look_up(address)
        return PeerLocation(site=network, country=found.country, asn=found.asn)
