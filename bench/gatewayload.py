"""Readers of a gateway, in one process, each on a link and with a ticket of its own.

    python -m bench.gatewayload URL TICKET_KEY EXIT_ID CONFIGURATION SITE READERS

It prints `linked`, and then answers each line `SECONDS PATH AT_ONCE` with a JSON list: how many
answers came, and how many bytes of content.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from passerelle.io.tasks import TaskSet
from passerelle.wire.gatewayframes import SUBPROTOCOL
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.tickets import Ticket, TicketKind, sign
from tests.rig.pagereader import PageReader


async def _run(url: str, key: Ed25519PrivateKey, words: list[str]) -> None:
    exit_id, configuration, site, count = words
    known = KeyConfiguration.decode(bytes.fromhex(configuration))

    def ticket(kind: TicketKind) -> str:
        made = Ticket(kind, exit_id, int(time.time()) + 300, secrets.token_bytes(16))
        return sign(made, key)

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        readers = []
        for _ in range(int(count)):
            protocols = (SUBPROTOCOL, ticket(TicketKind.LINK))
            socket = await http.ws_connect(url, protocols=protocols, max_msg_size=0)
            reader = PageReader(socket, known, ticket(TicketKind.CLIENT))
            readers.append(await stack.enter_async_context(reader))
        print("linked", flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            seconds, path, at_once = line.split()
            found = await _load(readers, site + path, float(seconds), int(at_once))
            print(json.dumps(found), flush=True)


async def _load(readers: list[PageReader], url: str, seconds: float, at_once: int) -> list[int]:
    answers = size = 0
    end_s = time.monotonic() + seconds

    async def read(reader: PageReader) -> None:
        nonlocal answers, size
        while time.monotonic() < end_s:
            answer = await reader.ask("GET", url, [("accept", "text/html")])
            if answer.status != 200:
                raise ValueError(f"an answer {answer.status} ({answer.refusal})")
            answers += 1
            size += len(answer.content)

    async with TaskSet("load") as tasks:
        await asyncio.gather(
            *(tasks.start(read(each), "reader") for each in readers for _ in range(at_once))
        )
    return [answers, size]


if __name__ == "__main__":
    found_key = load_pem_private_key(Path(sys.argv[2]).read_bytes(), None)
    assert isinstance(found_key, Ed25519PrivateKey)
    asyncio.run(_run(sys.argv[1], found_key, sys.argv[3:]))
