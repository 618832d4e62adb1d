"""Ask an exit to send UDP datagrams to many hosts: `python -m tests.lab.udp_probe` in a namespace.

It reads `{"listen": [address…], "targets": [[host, [address…]]…], "allow": [network…]}` from
standard input and listens on port 53 of every address to listen on. It then has an exit open a UDP
flow to port 53 of every target in turn, and sends a datagram through it. A target with addresses is
a name that resolves to them. It prints `{"heard": {address: datagrams…}, "refused": [host…]}`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
from collections.abc import Sequence
from typing import Any

from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy
from passerelle.errors import StreamFailed
from tests.exit.test_datagrams import Site, world

PORT = 53


async def main(order: dict[str, Any]) -> dict[str, Any]:
    listeners = {address: Site(address, PORT) for address in order["listen"]}
    names = {host: addresses for host, addresses in order["targets"] if addresses}
    allow = tuple(ipaddress.ip_network(network) for network in order["allow"])

    async def resolve(name: str, _origin: bytes) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(address) for address in names[name]]

    refused = []
    async with world(policy=ConnectionPolicy(allow=allow), refusal_s=0.02) as here:
        here.table._resolver = resolve  # type: ignore[assignment]
        for host, _ in order["targets"]:
            stream, flow = here.open(host, PORT)
            flow.send(b"probe")
            try:
                async with asyncio.timeout(5):
                    await stream.opened()
                    await flow.receive()  # every listener answers
                stream.abort()
            except StreamFailed:
                refused.append(host)
    heard = {address: len(site.received) for address, site in listeners.items() if site.received}
    for site in listeners.values():
        site.close()
    return {"heard": heard, "refused": refused}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
