"""A sealed request for volunteers, by whatever method it reaches a broker."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import __version__
from passerelle.core.matching import proof
from passerelle.errors import ConfigError, LocalError, PeerError
from passerelle.wire import rendezvous
from passerelle.wire.description import Description
from passerelle.wire.rendezvous import Refusal, RendezvousReply, RendezvousRequest
from passerelle.wire.signalling import NatClass

SOFTWARE = f"passerelle/{__version__}"
_NONCE_BYTES = 16
_PROOF_TRIES = 20_000
"""Tries of a proof of work that are made in one go. They take some 20 ms, and only between such
batches can the work be cancelled."""


class BrokerSilent(LocalError):
    """A broker could not be reached, or did not answer as a broker does."""


class RendezvousMethod(Protocol):
    """A way to carry messages to one broker and its replies back."""

    @property
    def proof_bits(self) -> int:
        """Zero bits of the proof of work that a broker always wants by this way; 0 if none."""

    async def exchange(self, sealed: bytes) -> bytes:
        """Return the reply to a sealed request, unopened. Raises BrokerSilent."""

    async def document(self) -> bytes:
        """Return the signed descriptor, unverified. Raises BrokerSilent."""


async def ask(
    method: RendezvousMethod,
    seal_key: bytes,
    offers: tuple[Description, ...],
    *,
    exit_id: str | None,
    avoid: tuple[bytes, ...],
    lanes: int,
    nat: NatClass = NatClass.UNKNOWN,
    failed: tuple[bytes, ...] = (),
    token: str = "",
    family: bytes = b"",
) -> RendezvousReply:
    """Seal one request to a broker's `seal_key`, send it, and return the opened reply.

    A broker with too many requests may want a proof of work. It is done, and the request made once
    more. By a way that always needs one it is done first. The other arguments are fields of
    `RendezvousRequest`. Raises BrokerSilent, also for a reply that cannot be opened, and
    ConfigError when the broker wants a newer release. Cancelling gives the exchange up.
    """
    key = X25519PrivateKey.generate()
    request = RendezvousRequest(
        version=rendezvous.VERSION,
        time_s=int(time.time()),
        nonce=secrets.token_bytes(_NONCE_BYTES),
        reply_key=key.public_key().public_bytes_raw(),
        offers=offers,
        exit=exit_id,
        avoid=avoid,
        failed=failed,
        lanes=lanes,
        nat=nat,
        software=SOFTWARE,
        token=token,
        family=family,
    )
    if method.proof_bits:
        request = await _with_proof(request, seal_key, method.proof_bits)
    reply = await _exchange(method, seal_key, request, key)
    if reply.refusal is Refusal.PROOF:
        request = await _with_proof(request, seal_key, reply.proof_bits)
        reply = await _exchange(method, seal_key, request, key)
    if reply.refusal is Refusal.VERSION:
        needed = f"{reply.minimum} or newer" if reply.minimum else "another release"
        raise ConfigError(
            f"This network needs Passerelle {needed}; this is {__version__}. Update it, then try "
            "again."
        )
    return reply


async def _exchange(
    method: RendezvousMethod, seal_key: bytes, request: RendezvousRequest, key: X25519PrivateKey
) -> RendezvousReply:
    sealed = rendezvous.seal_request(request, seal_key)
    try:
        return rendezvous.open_reply(await method.exchange(sealed), key, request)
    except PeerError:
        raise BrokerSilent("the broker's answer could not be opened") from None


async def _with_proof(request: RendezvousRequest, seal_key: bytes, bits: int) -> RendezvousRequest:
    """Return `request` with a new nonce and time, and a proof of work for them.

    Cancelling gives it up.
    """
    nonce, time_s = secrets.token_bytes(_NONCE_BYTES), int(time.time())
    challenge = proof.challenge(seal_key, nonce, time_s)
    found, start = None, 0
    while found is None:
        tries = range(start, start + _PROOF_TRIES)
        found = await asyncio.to_thread(proof.search, challenge, bits, tries)
        start += _PROOF_TRIES
    return msgspec.structs.replace(request, nonce=nonce, time_s=time_s, proof=found)
