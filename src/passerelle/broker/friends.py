"""Requests that people carry by hand: a reader's text, pasted into the page of a friend.

The friend's browser is a volunteer like any other. It hands the sealed request on over its own
WebSocket, takes the offer in it, and gets the sealed reply, which the friend sends back. The reader
needs no way to any server, and the friend's browser learns what every volunteer learns.
"""

from __future__ import annotations

import contextlib

from passerelle import limits
from passerelle.broker.conversation import Conversation
from passerelle.broker.locator import Sender
from passerelle.broker.rendezvous import Rendezvous
from passerelle.core.address.prefix import origin
from passerelle.errors import PeerError
from passerelle.io.tasks import TaskSet
from passerelle.wire.signalling import BrokerFriendReply, VolunteerFriend


class FriendRequests:
    """Answers requests carried by hand, at most one at a time for each volunteer."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._tasks = TaskSet("friends", limit=limits.FRIEND_REQUESTS)
        self._busy: set[bytes] = set()
        self._closed = False

    async def close(self) -> None:
        """Give up all that are not answered yet. Idempotent."""
        self._closed = True
        await self._tasks.close()

    def take(self, friend: Conversation, message: VolunteerFriend) -> None:
        """Answer `friend` in the background.

        The message is ignored when the friend has another one under way, when too many are under
        way in all, and after `close`: the friend's page asks one by one, and gives up by itself.
        """
        if friend.handle in self._busy or self._tasks.full or self._closed:
            return
        self._busy.add(friend.handle)
        self._tasks.spawn(self._answer(friend, message), "request")

    async def _answer(self, friend: Conversation, message: VolunteerFriend) -> None:
        reply = None
        try:
            # Whatever is wrong with the request, the friend is told the same: no reply.
            with contextlib.suppress(PeerError):
                # Nobody has seen the reader. The request counts for the friend, who brings it.
                sender = Sender(origin(friend.address), None)
                reply = await self._rendezvous.answer(message.request, sender, only=friend.handle)
            if reply is not None and len(reply) > limits.TEXT_SEALED_BYTES:
                reply = None
            with contextlib.suppress(ConnectionError):
                await friend.send(BrokerFriendReply(message.id, reply))
        finally:
            self._busy.discard(friend.handle)
