"""The way to a broker without any server: two texts, carried by hand to a friend and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from passerelle.client.rendezvous import BrokerSilent
from passerelle.errors import ConfigError
from passerelle.wire import friend
from passerelle.wire.friend import TextKind

Swap = Callable[[str, str], Awaitable[str]]
"""Show the person the text to send, and why if it is not the first time; return what is pasted."""


class FriendMethod:
    """Asks the person to have each request answered by a friend."""

    def __init__(self, swap: Swap) -> None:
        self._swap = swap

    async def exchange(self, sealed: bytes) -> bytes:
        """Return the answer once a text was pasted that holds one. See `RendezvousMethod.exchange`.

        Waits for as long as it takes. Cancelling gives up.
        """
        try:
            text = friend.encode(TextKind.ASK, sealed)
        except ValueError:
            raise BrokerSilent("the request is too long to be pasted") from None
        complaint = ""
        while True:
            pasted = await self._swap(text, complaint)
            try:
                return friend.decode(TextKind.ANSWER, pasted)
            except ConfigError as error:
                complaint = str(error)

    async def document(self) -> bytes:
        """Raise BrokerSilent: the descriptor is given, or remembered."""
        raise BrokerSilent("a friend cannot hand on the network's description")
