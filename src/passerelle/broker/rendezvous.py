"""Answer sealed rendezvous requests: a client's offers go to volunteers, their answers back.

Whatever is wrong with a request that cannot be used (garbage, another key, a replay, a clock that
is off), it ends in a PeerError that says nothing more, and whoever carried the request gives one
and the same response to all of them: a prober learns nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from passerelle import limits
from passerelle.broker.config import BrokerConfig
from passerelle.broker.mint import Mint
from passerelle.broker.origins import Origins
from passerelle.broker.placement import Placer, Wish
from passerelle.broker.volunteers import Volunteers
from passerelle.core.choice import Seeker
from passerelle.core.host import IPAddress
from passerelle.core.prefix import holder
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import rendezvous
from passerelle.wire.description import Setup
from passerelle.wire.rendezvous import Answer, Miss, Refusal, Reply, Request

_UNSEEN = b""
"""The key of all clients whose address is not known."""


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
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._config = config
        self._volunteers = volunteers
        self._origins = origins
        self._placer = placer
        self._mint = mint
        self._clock = clock
        self._token = token
        self._replays = ReplayWindow(limits.RENDEZVOUS_CLOCK_SKEW_S, config.nonces)
        self._friend_replays = ReplayWindow(limits.FRIEND_CLOCK_SKEW_S, config.nonces)
        self._pending_offers = 0

    async def answer(
        self, sealed: bytes, *, seen: IPAddress | None, only: bytes | None = None
    ) -> bytes:
        """Return the sealed reply to a sealed request, however it came.

        `seen` is the address it came from, None where the way it took hides that. With `only`, the
        offers are for that volunteer. Raises PeerError for whatever cannot be used; the response
        to that must be the same for all. Cancelling withdraws the offers.
        """
        request = self._open(sealed, self._replays if only is None else self._friend_replays)
        return rendezvous.seal_reply(await self._reply(request, seen, only), request)

    def _open(self, sealed: bytes, replays: ReplayWindow) -> Request:
        request = rendezvous.open_request(sealed, self._config.seal_key)
        if not replays.accept(request.nonce, request.time_s, self._clock()):
            raise PeerError(LinkCode.MALFORMED, "a rendezvous request out of its time")
        if any(offer.setup is not Setup.ACTPASS for offer in request.offers):
            raise PeerError(LinkCode.MALFORMED, "an offer in the wrong DTLS role")
        return request

    async def _reply(self, request: Request, seen: IPAddress | None, only: bytes | None) -> Reply:
        if request.version != rendezvous.VERSION:
            return Reply(refusal=Refusal.VERSION)
        exit_id = request.exit or self._choose_exit()
        if self._config.descriptor.exit(exit_id) is None:
            return Reply(refusal=Refusal.UNKNOWN_EXIT)
        pending = self._pending_offers + len(request.offers)
        if self._volunteers.closing or pending > self._config.pending_offers:
            return Reply(refusal=Refusal.BUSY, retry_after_s=self._volunteers.retry_s())
        seeker = self._seeker(request, seen)
        for volunteer in request.failed:
            self._volunteers.complain(seeker, volunteer)
        wishes = [
            Wish(exit_id=exit_id, offer=offer, seeker=seeker, lanes=request.lanes, only=only)
            for offer in request.offers
        ]
        return Reply(
            exit=exit_id,
            answers=await self._match(wishes, {*request.avoid, *request.failed}),
            ticket=self._mint.client(exit_id),
        )

    def _seeker(self, request: Request, seen: IPAddress | None) -> Seeker:
        origin = self._origins.of(seen)
        key = holder(seen)
        if key is None:
            return Seeker(
                nat=request.nat,
                origin=origin,
                key=_UNSEEN,
                most=self._config.unseen_volunteers,
                crowd=True,
            )
        return Seeker(nat=request.nat, origin=origin, key=key, most=self._config.network_volunteers)

    async def _match(self, wishes: list[Wish], asked: set[bytes]) -> tuple[Answer | Miss, ...]:
        """Find a volunteer for each wish, all of them distinct.

        When there is none at all, wait for a first one. Who got one at once does not wait for a
        second one: it would delay the first.
        """
        deadline = asyncio.get_running_loop().time() + self._config.answer_timeout_s
        self._pending_offers += len(wishes)
        try:
            async with asyncio.TaskGroup() as group:
                matches = [
                    group.create_task(self._placer.place(wish, asked, deadline)) for wish in wishes
                ]
            results = [match.result() for match in matches]
            if all(result is Miss.NO_VOLUNTEER for result in results):
                results[0] = await self._placer.wait(wishes[0], asked, deadline)
        finally:
            self._pending_offers -= len(wishes)
        return tuple(results)

    def _choose_exit(self) -> str:
        exits = self._config.descriptor.exits
        return exits[int.from_bytes(self._token(8)) % len(exits)].id
