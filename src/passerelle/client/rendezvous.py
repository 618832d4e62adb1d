"""Talks to the broker: the descriptor, and sealed requests for volunteers."""

from __future__ import annotations

import secrets
import time
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.errors import ConfigError, LocalError, PeerError
from passerelle.wire import descriptor, rendezvous
from passerelle.wire.description import Description
from passerelle.wire.descriptor import BrokerEntry, Descriptor
from passerelle.wire.invite import Invite
from passerelle.wire.rendezvous import Reply, Request
from passerelle.wire.signalling import NatClass


class BrokerSilent(LocalError):
    """The broker could not be reached, or did not answer as a broker does."""


class Method(Protocol):
    """A way to carry one sealed request to a broker and its reply back."""

    async def exchange(self, broker: BrokerEntry, sealed: bytes) -> bytes:
        """Return the sealed reply, at most `rendezvous.SEALED_BYTES` long. Raises BrokerSilent."""


class DirectMethod:
    """Plain HTTPS to the broker's own address, over one connection that is kept."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            # Proxy settings of the environment could point back at ourselves.
            trust_env=False,
            auto_decompress=False,
            # A cookie would let the broker recognise us.
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def exchange(self, broker: BrokerEntry, sealed: bytes) -> bytes:
        """See `Method.exchange`."""
        return await self._fetch(
            "POST", f"{broker.url}/v1/rendezvous", sealed, most=rendezvous.SEALED_BYTES
        )

    async def document(self, url: str) -> bytes:
        """Return the signed descriptor behind a broker's URL. Raises BrokerSilent."""
        return await self._fetch("GET", f"{url}/v1/network", None, most=limits.DESCRIPTOR_BYTES)

    async def _fetch(self, verb: str, url: str, body: bytes | None, *, most: int) -> bytes:
        assert self._http is not None  # used as a context manager
        headers = {"Content-Type": rendezvous.CONTENT_TYPE} if body is not None else {}
        try:
            async with self._http.request(
                verb, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise BrokerSilent(f"the broker answered {response.status}")
                return await _read(response, most)
        except TimeoutError:
            raise BrokerSilent("the broker did not answer in time") from None
        except (aiohttp.ClientError, OSError):
            raise BrokerSilent("the broker cannot be reached") from None


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise BrokerSilent("the broker answered with more than an answer can hold")
    return bytes(body)


async def load_descriptor(method: DirectMethod, invite: Invite) -> Descriptor:
    """Return the network's descriptor, fetched and verified.

    Raises BrokerSilent when it cannot be fetched, ConfigError when it is not what the invite
    promises.
    """
    document = await method.document(invite.url)
    return descriptor.verify(document, invite.operator_key, now_s=time.time())


async def ask(
    method: Method,
    broker: BrokerEntry,
    offers: tuple[Description, ...],
    *,
    exit_id: str | None,
    avoid: tuple[bytes, ...],
    lanes: int,
    nat: NatClass = NatClass.UNKNOWN,
) -> Reply:
    """Send one sealed request and return the opened reply.

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
        lanes=lanes,
        nat=nat,
    )
    sealed = rendezvous.seal_request(request, broker.seal_key)
    try:
        reply = rendezvous.open_reply(await method.exchange(broker, sealed), key, request)
    except PeerError:
        raise BrokerSilent("the broker's answer could not be opened") from None
    if reply.refusal is rendezvous.Refusal.VERSION:
        raise ConfigError("This network needs a newer Passerelle. Update it, then try again.")
    return reply
