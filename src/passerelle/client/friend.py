"""Reaching a broker by two texts that people carry to a friend and back, without any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from passerelle import limits
from passerelle.client.rendezvous import BrokerSilent
from passerelle.errors import ConfigError
from passerelle.wire import friend
from passerelle.wire.friend import TextKind

Swap = Callable[[str, str], Awaitable[str]]
"""Shows the person a text to send, or why what was pasted before is no answer; returns what is
pasted now. The arguments are the text, and the complaint or an empty string."""


class FriendMethod:
    """Asks the person to have each request answered by a friend."""

    proof_bits = limits.USUAL_PROOF_BITS

    def __init__(self, swap: Swap) -> None:
        self._swap = swap

    async def exchange(self, sealed: bytes) -> bytes:
        """See `RendezvousMethod.exchange`.

        Asks again until a text was pasted that holds an answer, for as long as that takes.
        Cancelling gives up.
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
        """Raise BrokerSilent: the descriptor comes with the command or from an earlier run."""
        raise BrokerSilent("a friend cannot hand on the network's description")
