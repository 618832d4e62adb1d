"""Ways to a broker: direct, behind another name, through an AMP cache, or through a door.

The TLS ClientHello is a browser's in each of them. Requests and replies are sealed, so that whoever
is in the middle sees their size class and nothing else.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from passerelle import limits
from passerelle.client.rendezvous import BrokerSilent, RendezvousMethod
from passerelle.errors import PeerError
from passerelle.io.net.disguise import Disguise, FetchFailed, Redirected
from passerelle.wire import amp, base64url, rendezvous, ways
from passerelle.wire.ways import AmpWay, DirectWay, DoorWay, FrontedWay, Way

REDIRECTS_MOST = 3
"""Redirects followed to a network's descriptor: a network that moved again and again."""


class PostMethod:
    """HTTPS to the broker, under its own name or another, or through a door."""

    def __init__(
        self, disguise: Disguise, way: DirectWay | FrontedWay | DoorWay, broker_url: str
    ) -> None:
        self.proof_bits = limits.USUAL_PROOF_BITS if isinstance(way, DoorWay) else 0
        """See `RendezvousMethod.proof_bits`. A broker does not see who asks through a door."""
        self._disguise = disguise
        self._rendezvous = way.target(broker_url, ways.RENDEZVOUS_PATH)
        self._network = way.target(broker_url, ways.NETWORK_PATH)

    async def exchange(self, sealed: bytes) -> bytes:
        """See `RendezvousMethod.exchange`."""
        target = self._rendezvous
        try:
            return await self._disguise.fetch(
                target.url, host=target.host, body=sealed, most=rendezvous.SEALED_BYTES
            )
        except FetchFailed as error:
            raise BrokerSilent(str(error)) from None

    async def document(self) -> bytes:
        """See `RendezvousMethod.document`.

        Follows a few redirects: the operator may have moved the network to another name, and
        whoever answers there shows the operator's signature. Only redirects to another broker's
        descriptor are followed: nobody may have this client ask for anything else, or leave TLS.
        """
        url, host = self._network.url, self._network.host
        try:
            for _ in range(REDIRECTS_MOST):
                try:
                    return await self._fetch_document(url, host)
                except Redirected as elsewhere:
                    if not _is_network_of_a_broker(elsewhere.location, url):
                        raise
                    url, host = elsewhere.location, None
            return await self._fetch_document(url, host)
        except FetchFailed as error:
            raise BrokerSilent(str(error)) from None

    async def _fetch_document(self, url: str, host: str | None) -> bytes:
        return await self._disguise.fetch(url, host=host, most=limits.DESCRIPTOR_BYTES)


def _is_network_of_a_broker(url: str, asked: str) -> bool:
    try:
        found, known = urlsplit(url), urlsplit(asked)
    except ValueError:
        return False
    return (
        found.scheme == known.scheme
        and "@" not in found.netloc
        and found.path.endswith(ways.NETWORK_PATH)
        and not found.query
    )


class AmpMethod:
    """GET requests for pages of the broker that an AMP cache fetches and shows."""

    proof_bits = limits.USUAL_PROOF_BITS

    def __init__(self, disguise: Disguise, way: AmpWay, broker_url: str) -> None:
        self._disguise = disguise
        self._way = way
        self._broker_url = broker_url

    async def exchange(self, sealed: bytes) -> bytes:
        """See `RendezvousMethod.exchange`."""
        if len(sealed) > limits.TEXT_SEALED_BYTES:
            raise BrokerSilent("the request is too long for a URL")
        return await self._fetch_message(ways.AMP_RENDEZVOUS_PATH + base64url.encode(sealed))

    async def document(self) -> bytes:
        """See `RendezvousMethod.document`."""
        return await self._fetch_message(ways.AMP_NETWORK_PATH)

    async def _fetch_message(self, path: str) -> bytes:
        target = self._way.target(self._broker_url, path)
        try:
            page = await self._disguise.fetch(
                target.url, host=target.host, most=limits.AMP_PAGE_BYTES
            )
            return amp.message(page)
        except FetchFailed as error:
            raise BrokerSilent(str(error)) from None
        except PeerError as error:
            raise BrokerSilent(f"the cache showed {error.reason}") from None


def method_for(way: Way, broker_url: str, disguise: Disguise) -> RendezvousMethod:
    """Return what carries messages to the broker at `broker_url` by `way`."""
    if isinstance(way, AmpWay):
        return AmpMethod(disguise, way, broker_url)
    return PostMethod(disguise, way, broker_url)
