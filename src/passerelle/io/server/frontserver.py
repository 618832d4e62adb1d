"""Notice what the operator's web server in front does wrong, and say it in the log.

Each fault is silent otherwise: pages and `/healthz` work, and only volunteers and readers fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from enum import Enum
from typing import Final

from aiohttp import hdrs, web

from passerelle.core.address.classes import AddressClass, IPNetwork, classify
from passerelle.core.address.forwarded import is_trusted
from passerelle.io.server.web import peer_address

REPEAT_S: Final = 600.0
"""Time between two log lines about the same fault, as each request shows it again."""

_log = logging.getLogger(__name__)


class FrontFault(Enum):
    """What a web server in front may do wrong, as the log says it."""

    NO_UPGRADE = (
        "WebSockets arrive without their `Upgrade` header, so volunteers cannot connect: the web "
        "server in front does not pass it on"
    )
    UNNAMED_PROXY = (
        "requests come through a proxy (X-Forwarded-For) that no --trust-proxy names, so all who "
        "come through it count as one, share its limits, and hardly ever reach each other"
    )


class FrontServer:
    """Watches requests for the signs of a web server in front that is set up wrongly."""

    def __init__(self) -> None:
        self._next_s: dict[FrontFault, float] = {}

    def note_refused_socket(self, request: web.BaseRequest) -> None:
        """Log it if `request`, which is no WebSocket handshake, was one before it was forwarded.

        A proxy takes `Upgrade` away, which is meant for one hop only, and leaves the other headers
        of a handshake. Somebody who opens the address as a page sends neither.
        """
        if hdrs.SEC_WEBSOCKET_KEY in request.headers and hdrs.UPGRADE not in request.headers:
            self._say(FrontFault.NO_UPGRADE)

    def note_sender(self, request: web.BaseRequest, trusted: Sequence[IPNetwork]) -> None:
        """Log it if a proxy at an address that is not public brought `request` and is not trusted.

        From a public address anybody could send the header, to fill the log.
        """
        if hdrs.X_FORWARDED_FOR not in request.headers:
            return
        peer = peer_address(request)
        if peer is None or is_trusted(peer, trusted) or classify(peer) is AddressClass.PUBLIC:
            return
        self._say(FrontFault.UNNAMED_PROXY)

    def _say(self, fault: FrontFault) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._next_s.get(fault, now_s):
            return
        self._next_s[fault] = now_s + REPEAT_S
        _log.warning('%s. See "Behind a web server" in docs/OPERATIONS.md.', fault.value)
