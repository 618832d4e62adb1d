"""What a relay is told of the messages that have arrived, so that it keeps them no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from passerelle import limits
from passerelle.core.media.video import Order
from passerelle.wire import control

GOT_BYTES = 256 * limits.KIB
"""Bytes of messages after which the relay is told what it may forget."""
GOT_S = 0.2
"""Longest time after a message until the relay is told what it may forget."""


class Receipts:
    """Tells a relay from time to time which messages of a link the client has."""

    def __init__(self, order: Order, say: Callable[[control.Control], None]) -> None:
        """`order` has the messages, and `say` sends a control message to the relay."""
        self._order = order
        self._say = say
        self._fresh_bytes = 0
        """Bytes that arrived since the relay was told last."""
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def count(self, messages: list[bytes]) -> None:
        """Count messages that were handed on, and tell the relay of them in time."""
        self._fresh_bytes += sum(map(len, messages))
        if self._over:
            return
        if self._fresh_bytes >= GOT_BYTES:
            self._tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GOT_S, self._tell)

    def told(self) -> None:
        """Note that the relay was told in another way, just now."""
        self._fresh_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Tell the relay nothing more. Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self.told()
        self._say(control.Got(self._order.next % limits.MESSAGE_NUMBERS))
