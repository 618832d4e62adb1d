"""Notices what ends all links without a word: the computer slept, or is in another network."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Final

POLL_S: Final = 1.0
"""Time between two looks. A look costs a few system calls, and sends nothing."""
_REMOTE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849). The way to them is the way to the Internet."""
_PORT: Final = 9

_log = logging.getLogger(__name__)


class Interruptions:
    """Looks at the clock and at this computer's own addresses.

    A packet to a network that the computer has left gets no answer, and a peer that it missed for a
    while says nothing any more. Timeouts notice both late.
    """

    def __init__(self, noticed: Callable[[], None], *, slept_s: float) -> None:
        """`noticed` is called after each interruption.

        The program has slept when it stood still for `slept_s`.
        """
        self._noticed = noticed
        self._slept_s = slept_s

    async def watch(self) -> None:
        """Look every `POLL_S` until cancelled."""
        addresses = own_addresses()
        while True:
            began_s = _clock_s()
            await asyncio.sleep(POLL_S)
            slept = _clock_s() - began_s > POLL_S + self._slept_s
            if slept:
                _log.info("this computer slept")
            found = own_addresses()
            # One more address, such as IPv6 a moment after IPv4, does no harm to links. A computer
            # without any has nothing to ask, and its links went with the addresses.
            moved = bool(found) and (not addresses or bool(addresses - found))
            if moved:
                _log.info("this computer has other addresses")
            addresses = found
            if slept or moved:
                self._noticed()


def own_addresses() -> frozenset[str]:
    """Return the addresses from which this computer would send to the Internet, IPv4 and IPv6.

    Nothing is sent: connecting a UDP socket only has the system choose an address.
    """
    found = set()
    for family, remote in _REMOTE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((remote, _PORT))
            found.add(str(probe.getsockname()[0]))
    return frozenset(found)


def _clock_s() -> float:
    """Return seconds that go on while the computer sleeps.

    Where the system has no such clock, the time of day stands in; somebody who sets it forward
    makes the client ask for new links once.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()
