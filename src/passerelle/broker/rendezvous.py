"""Answer sealed rendezvous requests: a client's offers go to volunteers, their answers back.

Whatever is wrong with a request that cannot be used (garbage, another key, a replay, a clock that
is off), it ends in a PeerError that says nothing more, and whoever carried the request gives one
and the same response to all of them: a prober learns nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.broker.counts import BrokerCounts
from passerelle.broker.exits import Exits
from passerelle.broker.gate import Gate
from passerelle.broker.mint import Mint
from passerelle.broker.origins import Origins
from passerelle.broker.placement import Placer, Wish
from passerelle.broker.volunteers import Volunteers
from passerelle.core.address.candidates import vet
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import holder
from passerelle.core.matching import proof
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.release import is_older
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import rendezvous, tokens
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss, Refusal, RendezvousReply, RendezvousRequest
from passerelle.wire.tokens import Token

_UNSEEN = b""
"""The key of all clients whose address is not known."""
_TOKEN = b"token "
"""Keys that begin so are tokens'; networks' keys are shorter."""
_MANY = 16
"""Among fewer volunteers, having none left is nothing unusual."""


class Rendezvous:
    """Opens requests, has their offers placed, and seals replies."""

    def __init__(
        self,
        config: BrokerConfig,
        volunteers: Volunteers,
        origins: Origins,
        placer: Placer,
        mint: Mint,
        *,
        exits: Exits,
        counts: BrokerCounts,
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._config = config
        self._volunteers = volunteers
        self._origins = origins
        self._placer = placer
        self._mint = mint
        self._exits = exits
        self._counts = counts
        self._clock = clock
        self._token = token
        self._replays = ReplayWindow(limits.RENDEZVOUS_CLOCK_SKEW_S, config.nonces)
        self._friend_replays = ReplayWindow(limits.FRIEND_CLOCK_SKEW_S, config.nonces)
        self._gate = Gate(config)
        self._public_key = config.seal_key.public_key().public_bytes_raw()
        self._token_keys = tuple(
            Ed25519PublicKey.from_public_bytes(broker.ticket_key)
            for broker in config.descriptor.brokers
        )

    async def answer(
        self, sealed: bytes, *, seen: IPAddress | None, only: bytes | None = None
    ) -> bytes:
        """Return the sealed reply to a sealed request, however it came.

        `seen` is the address it came from, None where the way it took hides that. With `only`, the
        offers are for that volunteer. Raises PeerError for whatever cannot be used; the response
        to that must be the same for all. Cancelling withdraws the offers.
        """
        replays = self._replays if only is None else self._friend_replays
        try:
            if self._gate.is_flood(holder(seen), _now()):
                raise PeerError(LinkCode.LIMIT, "too many rendezvous requests")
            request = self._open(sealed, replays, seen)
        except PeerError:
            self._counts.unusable()
            raise
        reply = await self._reply(request, seen, only)
        self._counts.replied(reply)
        return rendezvous.seal_reply(reply, request)

    def _open(
        self, sealed: bytes, replays: ReplayWindow, seen: IPAddress | None
    ) -> RendezvousRequest:
        """Return the request, its candidates vetted; `seen` is the client's own address if known.

        Raises PeerError.
        """
        request = rendezvous.open_request(sealed, self._config.seal_key)
        if not replays.accept(request.nonce, request.time_s, self._clock()):
            raise PeerError(LinkCode.MALFORMED, "a rendezvous request out of its time")
        if any(offer.setup is not Setup.ACTPASS for offer in request.offers):
            raise PeerError(LinkCode.MALFORMED, "an offer in the wrong DTLS role")
        private = self._config.descriptor.private_candidates
        offers = tuple(vet(offer, private=private, seen=seen) for offer in request.offers)
        return msgspec.structs.replace(request, offers=offers)

    async def _reply(
        self, request: RendezvousRequest, seen: IPAddress | None, only: bytes | None
    ) -> RendezvousReply:
        old = is_older(request.software, self._config.minimum)
        if old or request.version != rendezvous.VERSION:
            minimum = ".".join(map(str, self._config.minimum or ()))
            return RendezvousReply(refusal=Refusal.VERSION, minimum=minimum)
        exit_id = request.exit or self._exits.choose(self._below, _now())
        if self._config.descriptor.exit(exit_id) is None:
            return RendezvousReply(refusal=Refusal.UNKNOWN_EXIT)
        seeker = self._seeker(request, seen)
        counted = None if seeker.key_is_shared else seeker.key
        refusal = self._refuse(request, counted, by_hand=only is not None)
        if refusal is not None:
            return refusal
        for volunteer in request.failed:
            self._placer.complain(seeker, volunteer)
        wishes = [
            Wish(exit_id=exit_id, offer=offer, seeker=seeker, lanes=request.lanes, only=only)
            for offer in request.offers
        ]
        with self._gate.waiting(counted, len(wishes)):
            answers = await self._match(wishes, {*request.avoid, *request.failed})
        return RendezvousReply(exit=exit_id, answers=answers, ticket=self._mint.client(exit_id))

    def _seeker(self, request: RendezvousRequest, seen: IPAddress | None) -> ClientProfile:
        nat, location = request.nat, self._origins.of(seen)
        token = self._read_token(request.token)
        if token is not None:
            key, most = _TOKEN + token.id, token.volunteers
            return ClientProfile(nat=nat, location=location, key=key, disclosure_limit=most)
        network = holder(seen)
        if network is not None:
            most = self._config.network_volunteers
            return ClientProfile(nat=nat, location=location, key=network, disclosure_limit=most)
        unseen = self._config.unseen_volunteers
        if unseen is None:
            return ClientProfile(nat=nat, location=location, key_is_shared=True)
        return ClientProfile(
            nat=nat, location=location, key=_UNSEEN, disclosure_limit=unseen, key_is_shared=True
        )

    def _read_token(self, text: str) -> Token | None:
        return tokens.read(text, self._token_keys, now_s=self._clock()) if text else None

    def _refuse(
        self, request: RendezvousRequest, counted: bytes | None, *, by_hand: bool
    ) -> RendezvousReply | None:
        """Return the refusal of a request that asks too much, or at the wrong time."""
        if self._volunteers.closing or not self._gate.has_room(counted, len(request.offers)):
            return RendezvousReply(refusal=Refusal.BUSY, retry_after_s=self._volunteers.retry_s())
        if by_hand:
            # It takes no place but the friend's own, and a second round would be another two texts.
            return None
        vouched = counted is not None and counted.startswith(_TOKEN)
        rate = self._config.token_requests if vouched else self._config.network_requests
        usual = self._gate.is_usual(counted, rate, _now())
        if usual and (vouched or not self._is_overloaded()):
            return None
        bits = self._gate.proof_bits(self._fullness())
        challenge = proof.challenge(self._public_key, request.nonce, request.time_s)
        if proof.is_proof(challenge, request.proof, bits):
            return None
        return RendezvousReply(refusal=Refusal.PROOF, proof_bits=bits)

    def _fullness(self) -> float:
        return max(
            self._gate.pending / max(1, self._config.pending_offers),
            self._placer.waiting / max(1, self._config.waiting),
        )

    def _is_overloaded(self) -> bool:
        scarce = self._volunteers.available <= self._config.scarce * len(self._volunteers)
        return self._fullness() >= self._config.overload or (
            scarce and len(self._volunteers) >= _MANY
        )

    async def _match(self, wishes: list[Wish], asked: set[bytes]) -> tuple[Answer | Miss, ...]:
        """Find a volunteer for each wish, all of them distinct.

        When there is none at all, wait for a first one. Who got one at once does not wait for a
        second one: it would delay the first.
        """
        deadline = _now() + self._config.answer_timeout_s
        async with asyncio.TaskGroup() as group:
            matches = [
                group.create_task(self._placer.place(wish, asked, deadline)) for wish in wishes
            ]
        results = [match.result() for match in matches]
        if all(result is Miss.NO_VOLUNTEER for result in results):
            results[0] = await self._placer.wait(wishes[0], asked, deadline)
        return tuple(results)

    def _below(self, most: int) -> int:
        """Return a random integer from 0 to `most` - 1."""
        return int.from_bytes(self._token(8)) % most


def _now() -> float:
    return asyncio.get_running_loop().time()
