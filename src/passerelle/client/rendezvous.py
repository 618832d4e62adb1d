"""Sealed requests for volunteers, whatever carries them to a broker."""

from __future__ import annotations

import secrets
import time
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.errors import ConfigError, LocalError, PeerError
from passerelle.wire import rendezvous
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Reply, Request


class BrokerSilent(LocalError):
    """A broker could not be reached, or did not answer as a broker does."""


class Method(Protocol):
    """A way to carry messages to one broker and its replies back."""

    async def exchange(self, sealed: bytes) -> bytes:
        """Return the reply to a sealed request, unopened. Raises BrokerSilent."""

    async def document(self) -> bytes:
        """Return the signed descriptor, unverified. Raises BrokerSilent."""


async def ask(
    method: Method,
    seal_key: bytes,
    offers: tuple[Description, ...],
    *,
    exit_id: str | None,
    avoid: tuple[bytes, ...],
    failed: tuple[bytes, ...] = (),
    lanes: int,
) -> Reply:
    """Seal one request to a broker's `seal_key`, send it, and return the opened reply.

    Raises BrokerSilent, also for a reply that cannot be opened, and ConfigError when this
    version is no longer spoken. Cancelling gives the exchange up.
    """
    key = X25519PrivateKey.generate()
    request = Request(
        version=rendezvous.VERSION,
        time_s=int(time.time()),
        nonce=secrets.token_bytes(16),
        reply_key=key.public_key().public_bytes_raw(),
        offers=offers,
        exit=exit_id,
        avoid=avoid,
        failed=failed,
        lanes=lanes,
    )
    sealed = rendezvous.seal_request(request, seal_key)
    try:
        reply = rendezvous.open_reply(await method.exchange(sealed), key, request)
    except PeerError:
        raise BrokerSilent("the broker's answer could not be opened") from None
    if reply.refusal is rendezvous.Refusal.VERSION:
        raise ConfigError("This network needs a newer Passerelle. Update it, then try again.")
    return reply
