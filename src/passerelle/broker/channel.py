"""What the brokers of a network say to each other, sealed, over any bus.

Whoever else is on the bus reads nothing of it and can say nothing of the kind. A message counts
once, near its time: a recorded one is refused. An answer fits its own request only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import serverlimits
from passerelle.core.replay import ReplayWindow
from passerelle.errors import LinkCode, PeerError
from passerelle.io.server.bus import Bus, LocalBus, Subscription
from passerelle.wire.bus import BrokerMessage
from passerelle.wire.bus_seal import NO_REQUEST, NONCE_BYTES, BusSeal, Opened

T = TypeVar("T")


class BrokerChannel:
    """This broker's end. Until `join` it is alone."""

    def __init__(
        self,
        seal_key: X25519PrivateKey,
        *,
        clock: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        """`clock` tells Unix time; `token` gives that many random bytes."""
        self._bus: Bus = LocalBus()
        self._seal = BusSeal(seal_key)
        self._clock = clock
        self._token = token
        self._replays = ReplayWindow(serverlimits.BUS_CLOCK_SKEW_S, serverlimits.BUS_NONCES)

    def join(self, bus: Bus) -> None:
        """Speak and listen on `bus` from now on."""
        self._bus = bus

    def publish(self, subject: str, message: BrokerMessage) -> None:
        """Send a message to all brokers, as `Bus.publish` does."""
        self._bus.publish(subject, self._sealed(subject, message, self._nonce()))

    async def request(
        self, subject: str, message: BrokerMessage, kind: type[T], *, timeout_s: float
    ) -> T | None:
        """Send a request to one broker and return its answer, as `Bus.request` does.

        Raises PeerError for an answer that no broker gave to this request.
        """
        nonce = self._nonce()
        sealed = self._sealed(subject, message, nonce)
        answer = await self._bus.request(subject, sealed, timeout_s=timeout_s)
        if answer is None:
            return None
        return self._open(subject, answer, kind, answered=nonce).message

    async def subscribe(
        self, subject: str, kind: type[T], handler: Callable[[T], None]
    ) -> Subscription:
        """Call `handler` for each message of other brokers, and of this one."""

        def take(sealed: bytes) -> None:
            handler(self._open(subject, sealed, kind).message)

        return await self._bus.subscribe(subject, take)

    async def serve(
        self,
        subject: str,
        kind: type[T],
        handler: Callable[[T], Coroutine[Any, Any, BrokerMessage]],
        *,
        group: str,
    ) -> Subscription:
        """Answer requests, of which each goes to one of `group`, with what `handler` returns."""

        def take(sealed: bytes) -> Coroutine[Any, Any, bytes]:
            return answer(self._open(subject, sealed, kind))

        async def answer(opened: Opened[T]) -> bytes:
            message = await handler(opened.message)
            return self._sealed(subject, message, self._nonce(), answered=opened.nonce)

        return await self._bus.subscribe(subject, take, group=group)

    def _nonce(self) -> bytes:
        return self._token(NONCE_BYTES)

    def _sealed(
        self, subject: str, message: BrokerMessage, nonce: bytes, *, answered: bytes = NO_REQUEST
    ) -> bytes:
        now_s = self._clock()
        return self._seal.seal(message, subject, now_s=now_s, nonce=nonce, answered=answered)

    def _open(
        self, subject: str, sealed: bytes, kind: type[T], *, answered: bytes = NO_REQUEST
    ) -> Opened[T]:
        opened = self._seal.open(sealed, kind, subject, answered=answered)
        if not self._replays.accept(opened.nonce, opened.time_s, self._clock()):
            raise PeerError(
                LinkCode.UNEXPECTED, "a broker's message that came before, or out of its time"
            )
        return opened
