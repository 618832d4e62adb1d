"""Paths to an exit: through a volunteer, or a lane through one that helps already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.engine import ClosingTransport, Engine, LinkOffer
from passerelle.wire.control import Lane, LaneAnswer, LaneRefused
from passerelle.wire.rendezvous import Answer


class Path(Protocol):
    """One path to an exit, to be opened once."""

    @property
    def volunteer(self) -> bytes | None:
        """The broker's name for the volunteer it leads through; None without a volunteer."""

    @property
    def server(self) -> str | None:
        """Host of the server that it leads to without a volunteer; None through a volunteer."""

    @property
    def has_media(self) -> bool:
        """Whether downloads come as video."""

    @property
    def steps(self) -> tuple[tuple[str, float], ...]:
        """(name, seconds) of each step done so far."""

    async def open(self, timeout_s: float) -> ClosingTransport:
        """Return the open transport. `timeout_s` bounds each wait for the far side.

        Raises LinkLost. Cancelling closes what was opened.
        """

    async def close(self) -> None:
        """Give up a path that was not opened. Idempotent."""


class VolunteerPath:
    """A DataChannel to a volunteer that answered the client's offer through the broker."""

    server = None

    def __init__(self, offer: LinkOffer, answer: Answer, rendezvous_s: float) -> None:
        """`rendezvous_s` is the time from before the offer was gathered to the broker's reply."""
        self.volunteer = answer.volunteer
        self.has_media = offer.description.has_media and answer.description.has_media
        self._offer = offer
        self._answer = answer.description
        self._rendezvous_s = rendezvous_s

    @property
    def addresses(self) -> frozenset[str]:
        """The IP addresses that the volunteer named."""
        return frozenset(candidate.ip for candidate in self._answer.candidates)

    @property
    def steps(self) -> tuple[tuple[str, float], ...]:
        """See `Path.steps`."""
        return (("rendezvous", self._rendezvous_s), *self._offer.steps)

    async def open(self, timeout_s: float) -> ClosingTransport:
        """See `Path.open`."""
        return await self._offer.connect(self._answer, timeout_s=timeout_s)

    async def close(self) -> None:
        """See `Path.close`."""
        await self._offer.close()


class LanePath:
    """One more DataChannel to a volunteer, agreed on over a link that exists.

    A lane never carries video. Lanes share the cost of losses, and a link with video bears losses
    alone.
    """

    server = None
    has_media = False

    def __init__(
        self,
        number: int,
        ticket: str,
        parent: VolunteerPath,
        send: Callable[[Lane], None],
        *,
        engine: Engine,
        stun: tuple[str, ...],
        private: bool,
    ) -> None:
        """`send` hands a request to the relay at `parent`; its answer comes by `answered`.

        `ticket` opens the volunteer's WebSocket to the exit. `stun` and `private` are as in
        `Engine.gather`.
        """
        self.parent = parent
        """The path of the link over which the lane is agreed on."""
        self.volunteer = parent.volunteer
        self._engine = engine
        self._stun = stun
        self._private = private
        self._number = number
        self._ticket = ticket
        self._send = send
        self._offer: LinkOffer | None = None
        self._reply: asyncio.Future[LaneAnswer | LaneRefused] = (
            asyncio.get_running_loop().create_future()
        )

    @property
    def steps(self) -> tuple[tuple[str, float], ...]:
        """See `Path.steps`."""
        return tuple(self._offer.steps) if self._offer is not None else ()

    def answered(self, reply: LaneAnswer | LaneRefused) -> None:
        """Take a relay's answer: the first one with this lane's number counts."""
        if reply.lane == self._number and not self._reply.done():
            self._reply.set_result(reply)

    def parent_ended(self) -> None:
        """Give the lane up unless the relay has answered: its answer cannot arrive any more."""
        if not self._reply.done():
            reason = "the volunteer's link ended before it answered for a lane"
            self._reply.set_exception(LinkLost(LinkCode.TRANSPORT, reason))
            # asyncio logs an exception that nobody retrieves, and `open` may have been cancelled.
            self._reply.exception()

    async def open(self, timeout_s: float) -> ClosingTransport:
        """See `Path.open`."""
        self._offer = await self._engine.gather(self._stun, private=self._private)
        self._send(Lane(self._number, self._ticket, self._offer.description))
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._reply
        except TimeoutError:
            raise LinkLost(LinkCode.TIMEOUT, "the volunteer did not answer for a lane") from None
        if isinstance(reply, LaneRefused):
            raise LinkLost(LinkCode.LIMIT, "the volunteer opens no further lane")
        return await self._offer.connect(
            reply.description, timeout_s=timeout_s, known=self.parent.addresses
        )

    async def close(self) -> None:
        """See `Path.close`."""
        if self._offer is not None:
            await self._offer.close()
