"""People who ask a STUN server, and somebody who forges requests from their network.

    python -m bench.attacks.stunpeers SERVER:PORT NETWORK SECONDS FORGED_PER_S

It runs in a network namespace where every address of 11.0.0.0/8 is local, and prints one JSON
object: how many requests of honest people were sent, and how many were answered.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import select
import socket
import struct
import sys
import time
from typing import Final

from passerelle.wire.stun import TRANSACTION_BYTES, BindingRequest, encode

PEOPLE: Final = 24
"""Honest people, each with an address of its own."""
EACH_PER_S: Final = 1.0
"""Requests of each of them a second."""
ANSWER_S: Final = 1.0
"""An answer that comes later counts as none."""
TICK_S: Final = 0.005

_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")


def main() -> None:
    """Ask and forge for so long, and print what was answered."""
    where, network_text, seconds, forged_per_s = sys.argv[1:]
    host, _, port = where.rpartition(":")
    network = ipaddress.IPv4Network(network_text)
    forger = os.fork()
    if forger == 0:
        forge(host, int(port), network, float(seconds) + ANSWER_S, float(forged_per_s))
        os._exit(0)
    asked, answered = ask(host, int(port), network, float(seconds))
    os.waitpid(forger, 0)
    print(json.dumps({"asked": asked, "answered": answered}))


def ask(host: str, port: int, network: ipaddress.IPv4Network, seconds: float) -> tuple[int, int]:
    """Return how many requests were sent, each once, and how many were answered in time."""
    people: list[socket.socket] = []
    for number in range(PEOPLE):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((str(network[10 + number * 9]), 0))
        made.connect((host, port))
        people.append(made)
    due: dict[bytes, float] = {}
    asked = answered = 0
    begin_s = time.monotonic()
    while (now_s := time.monotonic()) < begin_s + seconds + ANSWER_S:
        wanted = min(now_s - begin_s, seconds) * PEOPLE * EACH_PER_S
        while asked < wanted:
            transaction = random.randbytes(TRANSACTION_BYTES)
            people[asked % PEOPLE].send(encode(BindingRequest(transaction)))
            due[transaction] = now_s + ANSWER_S
            asked += 1
        for each in select.select(people, [], [], TICK_S)[0]:
            answer = each.recv(2000)
            answered += due.pop(answer[8:20], 0.0) > time.monotonic()
    return asked, answered


def forge(
    host: str, port: int, network: ipaddress.IPv4Network, seconds: float, per_s: float
) -> None:
    """Send requests from random addresses of `network`."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    target, first = socket.inet_aton(host), int(network.network_address)
    request = encode(BindingRequest(b"forged" * 2))
    length = _UDP.size + len(request)
    sent, begin_s = 0, time.monotonic()
    while (passed_s := time.monotonic() - begin_s) < seconds:
        while sent < passed_s * per_s:
            source = (first + random.randrange(network.num_addresses)).to_bytes(4)
            head = _IP.pack(0x45, 0, _IP.size + length, 0, 0, 64, 17, 0, source, target)
            udp = _UDP.pack(random.randrange(1024, 65536), port, length, 0)
            raw.sendto(head + udp + request, (host, 0))
            sent += 1
        time.sleep(TICK_S)


if __name__ == "__main__":
    main()
