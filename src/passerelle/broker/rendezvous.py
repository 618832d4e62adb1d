"""Answer sealed rendezvous requests: a client's offers go to volunteers, and their answers back.

A request that cannot be used (garbage, another key, a replay, a clock that is off) ends in a
PeerError that says nothing more, and whoever carried it gives one and the same response to all of
them, so a prober learns nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.broker.cluster import BrokerCluster
from passerelle.broker.config import BrokerConfig
from passerelle.broker.counts import BrokerMetrics
from passerelle.broker.demand import DemandWord
from passerelle.broker.exits import Exits
from passerelle.broker.issuer import TicketIssuer
from passerelle.broker.limiter import RequestLimiter
from passerelle.broker.locator import PeerLocator, Sender
from passerelle.broker.placement import VolunteerRequest
from passerelle.broker.volunteers import Volunteers
from passerelle.core.address.candidates import vet_carried, vet_near
from passerelle.core.address.prefix import site
from passerelle.core.matching import proof
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.nat.classifier import NatClass
from passerelle.core.origin import TOKEN, is_crowd
from passerelle.core.release import is_older
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import rendezvous, tokens
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss, Refusal, RendezvousReply, RendezvousRequest
from passerelle.wire.tokens import Token

_FEW_VOLUNTEERS: Final = 16
"""With fewer volunteers than this, having no free slot is usual and no sign of overload."""


class Rendezvous:
    """Opens requests, has their offers placed, and seals replies."""

    def __init__(
        self,
        config: BrokerConfig,
        volunteers: Volunteers,
        locator: PeerLocator,
        cluster: BrokerCluster,
        issuer: TicketIssuer,
        *,
        exits: Exits,
        counts: BrokerMetrics,
        demand: DemandWord,
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._config = config
        self._volunteers = volunteers
        self._locator = locator
        self._cluster = cluster
        self._issuer = issuer
        self._exits = exits
        self._counts = counts
        self._demand = demand
        self._clock = clock
        self._token = token
        self._replays = ReplayWindow(limits.RENDEZVOUS_CLOCK_SKEW_S, config.nonces)
        self._friend_replays = ReplayWindow(limits.FRIEND_CLOCK_SKEW_S, config.nonces)
        self._limiter = RequestLimiter(config)
        self._public_key = config.seal_key.public_key().public_bytes_raw()
        self._token_keys = tuple(
            Ed25519PublicKey.from_public_bytes(broker.ticket_key)
            for broker in config.descriptor.brokers
        )

    async def answer(self, sealed: bytes, sender: Sender, *, only: bytes | None = None) -> bytes:
        """Return the sealed reply to a sealed request, however it came.

        With `only`, that volunteer brought the request by hand, and the offers are for it. Raises
        PeerError for whatever cannot be used; the response to that must be the same for all.
        Cancelling withdraws the offers.
        """
        replays = self._replays if only is None else self._friend_replays
        try:
            if self._limiter.is_flood(sender.origin, _now()):
                raise PeerError(LinkCode.LIMIT, "too many rendezvous requests")
            request = self._open(sealed, replays, sender, by_hand=only is not None)
        except PeerError:
            self._counts.unusable()
            raise
        reply = await self._reply(request, sender, only)
        self._counts.replied(reply)
        return rendezvous.seal_reply(reply, request)

    def _open(
        self, sealed: bytes, replays: ReplayWindow, sender: Sender, *, by_hand: bool
    ) -> RendezvousRequest:
        """Return the request, with those candidates only that `sender` may name.

        Raises PeerError.
        """
        request = rendezvous.open_request(sealed, self._config.seal_key)
        if not replays.accept(request.nonce, request.time_s, self._clock(), sender.origin):
            raise PeerError(LinkCode.MALFORMED, "a rendezvous request out of its time")
        if any(offer.setup is not Setup.ACTPASS for offer in request.offers):
            raise PeerError(LinkCode.MALFORMED, "an offer in the wrong DTLS role")
        private = self._config.descriptor.private_candidates
        if by_hand:
            offers = [vet_carried(offer, private=private) for offer in request.offers]
        else:
            near = site(sender.address)
            offers = [vet_near(offer, near, private=private) for offer in request.offers]
        # A volunteer that is told no address cannot send the first packet, so only one whose NAT
        # lets anybody in is of use: as for a client whose NAT shows each of them another port.
        nat = request.nat if any(offer.candidates for offer in offers) else NatClass.SYMMETRIC
        return msgspec.structs.replace(request, offers=tuple(offers), nat=nat)

    async def _reply(
        self, request: RendezvousRequest, sender: Sender, only: bytes | None
    ) -> RendezvousReply:
        old = is_older(request.software, self._config.minimum)
        if old or request.version != rendezvous.VERSION:
            minimum = ".".join(map(str, self._config.minimum or ()))
            return RendezvousReply(refusal=Refusal.VERSION, minimum=minimum)
        exit_id = request.exit or self._exits.choose(self._below, _now())
        chosen = self._config.descriptor.exit(exit_id)
        if chosen is None or (request.gateway and chosen.gateway is None):
            return RendezvousReply(refusal=Refusal.UNKNOWN_EXIT)
        client = self._profile(request, sender, only)
        if request.family and only is None:
            client = replace(client, family=request.family)
        key = sender.origin if client.key is None else client.key
        refusal = self._refuse(request, key, is_seen=sender.address is not None)
        if refusal is not None:
            return refusal
        for volunteer in request.failed:
            self._cluster.complain(client, volunteer)
        links = [
            VolunteerRequest(
                exit_id=exit_id,
                offer=offer,
                client=client,
                lanes=request.lanes,
                gateway=request.gateway,
                only=only,
            )
            for offer in request.offers
        ]
        with self._limiter.count_pending(key, len(links)):
            answers = await self._match(links, {*request.avoid, *request.failed}, key)
        ticket = self._issuer.client(exit_id, key)
        return RendezvousReply(exit=exit_id, answers=answers, ticket=ticket)

    def _profile(
        self, request: RendezvousRequest, sender: Sender, only: bytes | None
    ) -> ClientProfile:
        """Return what matching may know of the client, and what it is counted under."""
        profile = ClientProfile(nat=request.nat, location=self._locator.locate(sender.address))
        token = self._read_token(request.token)
        if token is not None:
            return replace(profile, key=TOKEN + token.id, disclosure_limit=token.volunteers)
        limit = self._config.network_volunteers
        if only is not None or limit is None:
            # A friend is no secret to whoever asked it, and its network learns of nobody.
            return profile
        return replace(
            profile,
            key=sender.origin,
            disclosure_limit=limit,
            key_is_shared=is_crowd(sender.origin) or sender.address is None,
        )

    def _read_token(self, text: str) -> Token | None:
        return tokens.read(text, self._token_keys, now_s=self._clock()) if text else None

    def _refuse(
        self, request: RendezvousRequest, key: bytes, *, is_seen: bool
    ) -> RendezvousReply | None:
        """Return the refusal of a request that asks too much, at the wrong time, or unseen."""
        if self._volunteers.closing:
            # Another broker, or this one after its restart, is there in seconds.
            return RendezvousReply(refusal=Refusal.BUSY, retry_after_s=self._volunteers.return_s())
        if not self._limiter.has_room_for(key, len(request.offers)):
            return RendezvousReply(refusal=Refusal.BUSY, retry_after_s=self._volunteers.retry_s())
        has_token = key.startswith(TOKEN)
        rate = self._config.token_requests if has_token else self._config.network_requests
        within_rate = self._limiter.is_within_rate(key, rate, _now())
        if within_rate and (has_token or (is_seen and not self._is_overloaded())):
            return None
        bits = self._limiter.proof_bits(self._fullness())
        challenge = proof.challenge(self._public_key, request.nonce, request.time_s)
        if proof.is_proof(challenge, request.proof, bits):
            return None
        return RendezvousReply(refusal=Refusal.PROOF, proof_bits=bits)

    def _fullness(self) -> float:
        """Return how much is taken of the room for pending or for waiting offers, from 0 on."""
        return max(
            self._limiter.pending_offers / max(1, self._config.pending_offers),
            self._volunteers.waiting / max(1, self._config.waiting),
        )

    def _is_overloaded(self) -> bool:
        volunteers = len(self._volunteers)
        scarce = self._volunteers.pool.available <= self._config.scarce * volunteers
        return self._fullness() >= self._config.overload or (
            scarce and volunteers >= _FEW_VOLUNTEERS
        )

    async def _match(
        self, links: list[VolunteerRequest], asked: set[bytes], key: bytes
    ) -> tuple[Answer | Miss, ...]:
        """Find a volunteer for each link, all of them distinct. `key` is whom the links count for.

        When there is none for any, wait for one, for the first link. A client that got one at once
        does not wait for a second one, which would delay the first.
        """
        deadline = _now() + self._config.answer_timeout_s
        async with asyncio.TaskGroup() as group:
            placing = [
                group.create_task(self._cluster.place(link, asked, deadline)) for link in links
            ]
        results = [task.result() for task in placing]
        if results and all(result is Miss.NO_VOLUNTEER for result in results):
            if links[0].only is None:
                self._demand.note(key)
            results[0] = await self._cluster.wait(links[0], asked, deadline)
        return tuple(results)

    def _below(self, bound: int) -> int:
        """Return a random integer from 0 to `bound` - 1."""
        return int.from_bytes(self._token(8)) % bound


def _now() -> float:
    return asyncio.get_running_loop().time()
