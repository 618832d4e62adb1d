"""A broker alone in its process: `python -m bench.brokerhost PORT [BUS]`.

It prints its port when it is ready, and ends in good order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import signal
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.broker.config import BrokerConfig
from passerelle.broker.service import Broker
from passerelle.io.server import bus
from passerelle.io.server.web import WebServer, application
from passerelle.wire import descriptor
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry

SEAL_KEY = X25519PrivateKey.from_private_bytes(b"benchmark only, no key of anyone")
TICKET_KEY = Ed25519PrivateKey.from_private_bytes(b"another one for a benchmark only")
EXIT_KEY = Ed25519PrivateKey.from_private_bytes(b"a third one, only for benchmarks")
SEAL_PUBLIC = SEAL_KEY.public_key().public_bytes_raw()

_UNLIMITED = 2**32


def exit_pin() -> bytes:
    """Return the SHA-256 of the exit's public key (SPKI), which the descriptor pins."""
    spki = EXIT_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).digest()


def config() -> BrokerConfig:
    """Return the ordinary configuration, except for readers that come from this machine."""
    ticket_public = TICKET_KEY.public_key().public_bytes_raw()
    network = Descriptor(
        name="bench",
        issued_s=0,
        expires_s=2**40,
        brokers=(BrokerEntry("https://broker.example", SEAL_PUBLIC, ticket_public),),
        exits=(ExitEntry("exit-1", "wss://exit.example/v1/link", (exit_pin(),)),),
        # As in a laboratory: elsewhere a reader at such an address owes a proof of work.
        private_candidates=True,
    )
    return BrokerConfig(
        seal_key=SEAL_KEY,
        ticket_key=TICKET_KEY,
        document=descriptor.sign(network, Ed25519PrivateKey.generate()),
        descriptor=network,
        # All readers come from loopback and count as one crowd, so do not limit that.
        network_volunteers=None,
        network_offers=_UNLIMITED,
        network_requests=(_UNLIMITED, _UNLIMITED),
        network_flood=(_UNLIMITED, _UNLIMITED),
        waiting_of_network=_UNLIMITED,
    )


async def serve(port: int, bus_url: str | None) -> None:
    """Serve until SIGTERM."""
    broker = Broker(config())
    channel = await bus.connect(bus_url, name="broker")
    await broker.start(channel)
    app = application()
    broker.add_routes(app)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with WebServer(app, "127.0.0.1", port) as server:
        print(server.port, flush=True)
        await ended.wait()
        await broker.close()
    await channel.close()


if __name__ == "__main__":
    gc.freeze()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
