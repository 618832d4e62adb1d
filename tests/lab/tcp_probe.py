"""Ask an exit to connect to many hosts: `python -m tests.lab.tcp_probe` in a namespace.

It reads `{"hosts": [host…], "port": port, "allow": [network…]}` from standard input, asks the exit,
which uses the system's resolver, for each host, and prints `{host: how it ended}`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
from typing import Any

from passerelle.core.address.policy import ConnectionPolicy
from passerelle.errors import StreamFailed
from passerelle.exit.sessions import SessionTable
from tests.client.party import Client
from tests.network import exit_config

AT_ONCE = 40


async def main(order: dict[str, Any]) -> dict[str, str]:
    """Ask for every host, and return how each attempt ended."""
    allow = tuple(ipaddress.ip_network(network) for network in order["allow"])
    config = exit_config(policy=ConnectionPolicy(allow=allow), refusal_s=0.05)
    table = SessionTable(config)
    client = Client(table)
    await client.join()
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(host: str) -> str:
        async with places:
            # The client adds brackets to a host with a colon in it.
            bare = host[1:-1] if host.startswith("[") else host
            stream = client.tunnel.open(bare, order["port"])
            try:
                async with asyncio.timeout(5):
                    await stream.opened()
            except StreamFailed as error:
                return error.failure.value
            except TimeoutError:
                return "timeout"
            stream.abort()
            return "open"

    ended = await asyncio.gather(*map(ask, order["hosts"]))
    client.tunnel.close()
    await table.close()
    return dict(zip(order["hosts"], ended, strict=True))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
