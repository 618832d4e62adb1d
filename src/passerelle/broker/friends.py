"""Requests that people carry by hand: a reader's text, pasted into the page of a friend.

The friend's browser is a volunteer like any other; it hands the sealed request on over its own
WebSocket, takes the offer in it, and gets the sealed reply, which the friend sends back. The reader
needs no way to any server, and the friend's browser learns what every volunteer learns.
"""

from __future__ import annotations

import contextlib

from passerelle import limits
from passerelle.broker.rendezvous import Rendezvous
from passerelle.broker.volunteers import Volunteer, Volunteers
from passerelle.errors import PeerError
from passerelle.io.tasks import TaskSet
from passerelle.wire.signalling import BrokerFriendReply, VolunteerFriend


class Friends:
    """Answers them, at most one at a time for each volunteer."""

    def __init__(self, volunteers: Volunteers, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._tasks = TaskSet("friends", limit=limits.FRIEND_REQUESTS)
        self._busy: set[bytes] = set()
        self._closed = False
        volunteers.befriended = self._take

    async def close(self) -> None:
        """Give all up that are not answered yet. Idempotent."""
        self._closed = True
        await self._tasks.close()

    def _take(self, volunteer: Volunteer, message: VolunteerFriend) -> None:
        if volunteer.handle in self._busy or self._tasks.full or self._closed:
            return  # its page asks one by one, and gives up by itself
        self._busy.add(volunteer.handle)
        self._tasks.spawn(self._answer(volunteer, message), "request")

    async def _answer(self, volunteer: Volunteer, message: VolunteerFriend) -> None:
        reply = None
        try:
            # Only the volunteer's answer is worth a reply: whatever is wrong is told as one thing.
            with contextlib.suppress(PeerError):
                reply = await self._rendezvous.answer(
                    message.request, seen=None, only=volunteer.handle
                )
            if reply is not None and len(reply) > limits.TEXT_SEALED_BYTES:
                reply = None
            with contextlib.suppress(ConnectionError):
                await volunteer.send(BrokerFriendReply(message.id, reply))
        finally:
            self._busy.discard(volunteer.handle)
