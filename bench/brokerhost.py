"""One broker process on a bus, for `bench.brokers`: `python -m bench.brokerhost PORT BUS`.

Its keys come over standard input, so that several processes are one network's.
"""

from __future__ import annotations

import asyncio
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle.broker.config import BrokerConfig
from passerelle.broker.service import Broker
from passerelle.io import bus
from passerelle.io.web import WebServer, application
from passerelle.wire.descriptor import verify

HOST = "127.0.0.1"


async def serve(port: int, url: str, config: BrokerConfig) -> None:
    """Serve until cancelled."""
    broker = Broker(config)
    channel = await bus.connect(url, name=f"broker {port}")
    await broker.start(channel)
    app = application()
    broker.add_routes(app)
    async with WebServer(app, HOST, port):
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


def config_from_input() -> BrokerConfig:
    """Read seal key, ticket key, operator's public key and document, in hexadecimal lines."""
    seal, ticket, operator, document = (
        bytes.fromhex(line) for line in sys.stdin.read().splitlines()
    )
    return BrokerConfig(
        seal_key=X25519PrivateKey.from_private_bytes(seal),
        ticket_key=Ed25519PrivateKey.from_private_bytes(ticket),
        document=document,
        descriptor=verify(document, operator, now_s=0),
        wait_s=0.5,
        unseen_volunteers=1_000_000,
    )


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], config_from_input()))
