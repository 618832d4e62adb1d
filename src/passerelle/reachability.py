"""Whether a network's public addresses lead to its servers: what `serve` finds out at its start.

A broker is asked as a volunteer asks it, and an exit as a volunteer does that has a ticket, because
only a WebSocket shows that all on the way lets one through. The answer holds for this machine:
others may be able to come where it cannot.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp

from passerelle.io.tunnel.websocket import SUBPROTOCOL
from passerelle.keyring import Keyring
from passerelle.wire.tickets import Ticket, TicketKind, sign

TIMEOUT_S: Final = 10.0
"""Longest time for one attempt."""
PAUSES_S: Final = (0.5, 5.0)
"""Pauses before the second and the third attempt: servers that start together are ready one after
the other."""
TICKET_LIFE_S: Final = 60
_GATEWAY_FAULTS: Final = (502, 503, 504)
_ADVICE: Final = 'see "Behind a web server" in docs/OPERATIONS.md'


async def unreachable(
    broker_url: str,
    exit_urls: Mapping[str, str],
    keys: Keyring,
    pauses_s: Sequence[float] = PAUSES_S,
) -> list[str]:
    """Return a sentence for the broker and for each exit that cannot be reached.

    `broker_url` is the broker's base URL; `exit_urls` are the URLs of links by the exits' ids. Each
    is tried once more after each of the pauses. Cancelling ends the search.
    """
    volunteers = f"{broker_url.rstrip('/')}/v1/volunteer"
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        found = [group.create_task(_persistently(http, "--url", volunteers, pauses_s))]
        for exit_id, url in exit_urls.items():
            what = f"--exit-url ({exit_id})"
            ticket = functools.partial(_ticket, exit_id, keys)
            found.append(group.create_task(_persistently(http, what, url, pauses_s, ticket)))
    return [sentence for task in found if (sentence := task.result()) is not None]


async def link_fault(
    http: aiohttp.ClientSession, url: str, exit_id: str, keys: Keyring
) -> str | None:
    """Return what is wrong at a URL for clients' links to an exit, in a few words; None if one
    opens.
    """
    return await _fault(http, url, _ticket(exit_id, keys, TicketKind.CLIENT))


def _ticket(exit_id: str, keys: Keyring, kind: TicketKind = TicketKind.LINK) -> tuple[str, ...]:
    """Return the WebSocket subprotocols by which an exit lets a volunteer or a client in."""
    expires_s = int(time.time()) + TICKET_LIFE_S
    made = Ticket(kind, exit_id, expires_s, secrets.token_bytes(16))
    return SUBPROTOCOL, sign(made, keys.broker_ticket)


async def _persistently(
    http: aiohttp.ClientSession,
    what: str,
    url: str,
    pauses_s: Sequence[float],
    protocols: Callable[[], Sequence[str]] = tuple,
) -> str | None:
    fault = await _fault(http, url, protocols())
    for pause_s in pauses_s:
        if fault is None:
            return None
        await asyncio.sleep(pause_s)
        fault = await _fault(http, url, protocols())
    return fault and f"{what} does not work from this machine: at {url} {fault}."


async def _fault(http: aiohttp.ClientSession, url: str, protocols: Sequence[str]) -> str | None:
    """Return what is wrong at a WebSocket's URL; None if one opens."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            http.ws_connect(url, protocols=protocols),
        ):
            return None
    except aiohttp.WSServerHandshakeError as error:
        if error.status in _GATEWAY_FAULTS:
            return f"a web server answers {error.status}, so it finds nothing behind it; {_ADVICE}"
        return (
            f"something answers {error.status}, which is not this network's server, or a web "
            f"server in front that passes no WebSockets on; {_ADVICE}"
        )
    except aiohttp.ClientConnectorDNSError:
        return "the name is not known"
    except aiohttp.ClientConnectorCertificateError:
        return "the certificate is none that browsers accept"
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return f"nothing answers ({type(error).__name__})"
