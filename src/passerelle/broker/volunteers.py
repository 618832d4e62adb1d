"""The volunteers that are connected to this broker, and the way from an offer to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container

import msgspec

from passerelle.broker.config import BrokerConfig
from passerelle.broker.conversation import Conversation
from passerelle.broker.waiting import WaitingQueue
from passerelle.core.matching.peers import ClientProfile, PeerLocation
from passerelle.core.matching.pool import Outcome, Pick, VolunteerPool
from passerelle.core.nat.classifier import NatClass
from passerelle.wire.description import Description
from passerelle.wire.signalling import BrokerOffer, Decline, VolunteerHello

_HANDLE_BYTES = 8
_LONGEST_RETRY_S = 3600.0
"""No peer that is sent away is told to stay away for longer."""


class Volunteers:
    """The volunteers that have said hello: who they are, which slots are free, who is asked.

    `pool` decides and remembers. What only adds to its knowledge (`complain`, `report`) goes to it
    directly. What takes or frees a slot goes through this class, because offers wait for slots.
    """

    def __init__(
        self, config: BrokerConfig, pool: VolunteerPool, token: Callable[[int], bytes]
    ) -> None:
        """`token` gives that many random bytes."""
        self.pool = pool
        self._config = config
        self._token = token
        self._conversations: dict[bytes, Conversation] = {}
        self._queue = WaitingQueue(config, pick=self.pick, put_back=self.put_back)
        self._closing = False

    def __len__(self) -> int:
        """Return how many volunteers have said hello."""
        return len(self.pool)

    @property
    def waiting(self) -> int:
        """How many offers wait for a volunteer."""
        return len(self._queue)

    @property
    def closing(self) -> bool:
        """Whether all volunteers are being sent away."""
        return self._closing

    def close(self) -> None:
        """Let no further offer wait: volunteers are being sent away. Idempotent."""
        self._closing = True

    def retry_s(self) -> float:
        """Return a random time after which a peer that is sent away may come back, in seconds."""
        return self._random_s(*self._config.retry_s)

    def return_s(self) -> float:
        """Return a random time after which a volunteer may come back from a restart, in seconds."""
        return self._random_s(*self._config.return_s)

    def _random_s(self, low: float, high: float) -> float:
        # So many that come back within the usual time would be a storm: spread them wider.
        high = max(high, low + len(self) / self._config.returns_per_s)
        return min(_LONGEST_RETRY_S, low + (high - low) * int.from_bytes(self._token(4)) / 2**32)

    def new_handle(self) -> bytes:
        """Return a random handle that no volunteer has."""
        handle = self._token(_HANDLE_BYTES)
        while handle in self._conversations:
            handle = self._token(_HANDLE_BYTES)
        return handle

    # --- volunteers come, speak and go ----------------------------------------------------------

    def join(
        self, conversation: Conversation, hello: VolunteerHello, location: PeerLocation
    ) -> None:
        """Let offers go to a volunteer that has said hello. Call `leave` in the end."""
        self.pool.add(conversation.handle, hello.free, _now(), nat=hello.nat, location=location)
        self._conversations[conversation.handle] = conversation
        self._queue.serve()

    def leave(self, conversation: Conversation) -> None:
        """Forget a volunteer that has gone; its offers end without an answer."""
        del self._conversations[conversation.handle]
        self.pool.remove(conversation.handle, _now())
        for pick in conversation.close_offers():
            self._settle(pick, Outcome.WITHDRAWN)

    def set_free(self, conversation: Conversation, free: int, nat: NatClass | None) -> None:
        """Take a volunteer's word on how many slots it has, and on its NAT if it says that too."""
        self.pool.set_free(conversation.handle, free, _now(), nat=nat)
        if free:
            self._queue.serve()

    def set_family(self, conversation: Conversation, tag: bytes) -> None:
        """Give a volunteer from now on only to clients who name this tag of a family."""
        self.pool.set_family(conversation.handle, tag, _now())

    def take_answer(self, conversation: Conversation, number: int, answer: Description) -> None:
        """Take a volunteer's answer to one of its offers.

        Raises PeerError(UNEXPECTED) for an offer that it was never made.
        """
        # The slot is settled here and not in `introduce`, which resumes a turn of the event loop
        # later: a `ready` right behind the answer is handled before that, and the answer would
        # then take a slot off what `ready` has just declared.
        pick = conversation.close_offer(number, answer)
        if pick is not None:
            self._settle(pick, Outcome.ANSWERED)

    def take_decline(self, conversation: Conversation, number: int, reason: Decline) -> None:
        """Take a volunteer's refusal of one of its offers. Raises PeerError(UNEXPECTED)."""
        pick = conversation.close_offer(number, None)
        if pick is not None:
            self._settle(pick, Outcome.BUSY if reason is Decline.BUSY else Outcome.DECLINED)

    # --- offers ---------------------------------------------------------------------------------

    def pick(
        self,
        client: ClientProfile,
        avoid: Container[bytes],
        only: bytes | None = None,
        *,
        last_resort: bool = False,
    ) -> Pick | None:
        """Reserve a slot of a volunteer that is not in `avoid`, with `only` of that one or none.

        `last_resort` as in `VolunteerPool.pick`. Every pick goes to `introduce` or `put_back`,
        which give the slot back.
        """
        seed = int.from_bytes(self._token(8))
        return self.pool.pick(client, avoid, _now(), seed=seed, only=only, last_resort=last_resort)

    async def wait_for_pick(
        self, client: ClientProfile, asked: set[bytes], only: bytes | None, deadline: float
    ) -> Pick | None:
        """Do as `pick` does, as soon as there is a volunteer: see `WaitingQueue.wait`.

        Nobody else was there when this is called, so a last resort is not waited for.
        """
        if self._closing:
            return None
        pick = self.pick(client, asked, only, last_resort=True)
        if pick is not None:
            asked.add(pick.volunteer)
            return pick
        return await self._queue.wait(client, asked, only, deadline)

    def put_back(self, pick: Pick) -> None:
        """Give back a slot that was picked and not used."""
        self._settle(pick, Outcome.WITHDRAWN)

    async def introduce(
        self, pick: Pick, offer: BrokerOffer, *, timeout_s: float, slow_s: float
    ) -> Description | None:
        """Make `offer` to the picked volunteer, numbered anew; return its answer, None without one.

        Cancelling withdraws the offer; a volunteer that has had `slow_s` by then counts as slow.
        """
        conversation = self._conversations.get(pick.volunteer)
        if conversation is None:
            self.put_back(pick)
            return None
        number, answer = conversation.open_offer(pick)
        outcome = Outcome.WITHDRAWN
        late_at = _now() + slow_s
        try:
            async with asyncio.timeout(timeout_s):
                await conversation.send(msgspec.structs.replace(offer, offer=number))
                return await answer
        except asyncio.CancelledError:
            if _now() >= late_at:
                outcome = Outcome.SLOW
            raise
        except TimeoutError:
            outcome = Outcome.SILENT
            return None
        except ConnectionError:
            return None
        finally:
            if conversation.withdraw_offer(number):
                self._settle(pick, outcome)

    def _settle(self, pick: Pick, outcome: Outcome) -> None:
        self.pool.settle(pick, outcome, _now())
        if outcome is not Outcome.ANSWERED:
            self._queue.serve()


def _now() -> float:
    return asyncio.get_running_loop().time()
