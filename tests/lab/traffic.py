"""Small programs that send and measure packets.

`start(host, "ping", address, port, …)` runs `python -m tests.lab.traffic ping …` in a namespace.
All except `echo` end by themselves and print a JSON object, which `Child.result` reads.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from collections.abc import Callable

from tests.lab.child import Child
from tests.lab.namespace import Namespace

BUFFER_BYTES = 1 << 24
"""The size of socket buffers: packets that the line carried must not be lost in the receiver."""
SO_RCVBUFFORCE = 33
"""A socket option by which root may exceed the system's maximum; `socket` has no name for it."""
NUMBER_BYTES = 4
"""The number at the beginning of each packet of `blast`."""
PACE_S = 0.001
STEP_S = 0.1
"""The intervals in which `sink` reports how many bytes arrived."""


def echo(address: str, port: int) -> None:
    """Return every UDP packet to its sender, for ever."""
    with _bound(address, port) as server:
        while True:
            server.sendto(*server.recvfrom(65536))


def ping(address: str, port: int, packets: int, timeout_s: float) -> dict[str, list[float]]:
    """Send UDP packets to an `echo` in turn; return the `rtt_ms` of those that came back."""
    times = []
    with _udp(address) as client:
        client.settimeout(timeout_s)
        client.connect((address, port))
        for number in range(packets):
            start_s = time.monotonic()
            client.send(number.to_bytes(4, "big"))
            try:
                while client.recv(64) != number.to_bytes(4, "big"):
                    pass
            except TimeoutError:
                continue
            times.append((time.monotonic() - start_s) * 1e3)
    return {"rtt_ms": times}


def count(address: str, port: int, idle_s: float) -> dict[str, float]:
    """Count UDP packets until none has come for `idle_s`.

    Returns the number of `packets`, the `bytes` of payload, the `seconds` from the first packet
    to the last, and by the numbers in the packets how many came `late`, after one that was sent
    later, and how many were `repeated`.
    """
    packets = size = late = repeated = 0
    highest = -1
    seen: set[int] = set()
    first_s = last_s = 0.0
    with _bound(address, port) as server:
        while True:
            try:
                data = server.recv(65536)
            except TimeoutError:
                break
            last_s = time.monotonic()
            if not packets:
                first_s = last_s
                server.settimeout(idle_s)
            packets += 1
            size += len(data)
            number = int.from_bytes(data[:NUMBER_BYTES])
            if number in seen:
                repeated += 1
            elif number < highest:
                late += 1
            seen.add(number)
            highest = max(highest, number)
    return {
        "packets": packets,
        "bytes": size,
        "seconds": last_s - first_s,
        "late": late,
        "repeated": repeated,
    }


def blast(
    address: str, port: int, packets: int, size: int, rate: float, *, first: int
) -> dict[str, float]:
    """Send UDP packets of `size` payload bytes, `rate` a second; return `packets` and `seconds`.

    Each begins with its number, which counts from `first`.
    """
    rest = bytes(size - NUMBER_BYTES)
    # The socket is not connected, because a receiver that does not exist must not stop the sender.
    with _udp(address) as client:
        start_s = time.monotonic()
        for sent in range(packets):
            while start_s + sent / rate > time.monotonic():
                time.sleep(PACE_S)
            client.sendto((first + sent).to_bytes(NUMBER_BYTES) + rest, (address, port))
        return {"packets": packets, "seconds": time.monotonic() - start_s}


def sink(address: str, port: int) -> dict[str, object]:
    """Read one TCP connection to its end.

    Returns `bytes`, `seconds`, and the `mbit` of each tenth of a second.
    """
    with socket.create_server((address, port), family=_family(address)) as server:
        print("ready")
        connection, _ = server.accept()
    steps: list[int] = []
    buffer = bytearray(1 << 20)
    start_s = time.monotonic()
    with connection:
        while size := connection.recv_into(buffer):
            step = int((time.monotonic() - start_s) / STEP_S)
            steps += [0] * (step + 1 - len(steps))
            steps[step] += size
    mbit = [size * 8 / STEP_S / 1e6 for size in steps]
    return {"bytes": sum(steps), "seconds": time.monotonic() - start_s, "mbit": mbit}


def pour(address: str, port: int, seconds: float) -> dict[str, float]:
    """Write to a `sink` for `seconds`; return the `bytes`, some perhaps still on the way."""
    block = bytes(1 << 16)
    sent = 0
    with socket.create_connection((address, port)) as connection:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            sent += connection.send(block)
    return {"bytes": sent}


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _udp(address: str) -> socket.socket:
    return socket.socket(_family(address), socket.SOCK_DGRAM)


def _bound(address: str, port: int) -> socket.socket:
    server = _udp(address)
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    server.bind((address, port))
    print("ready")
    return server


COMMANDS: dict[str, tuple[Callable[..., object], dict[str, type]]] = {
    "echo": (echo, {}),
    "ping": (ping, {"packets": int, "timeout_s": float}),
    "count": (count, {"idle_s": float}),
    "blast": (blast, {"packets": int, "size": int, "rate": float, "first": int}),
    "sink": (sink, {}),
    "pour": (pour, {"seconds": float}),
}
"""Each command, with its parameters after address and port."""


SERVERS = {"echo", "count", "sink"}


def start(host: Namespace, command: str, *parameters: str | float) -> Child:
    """Start a command in a namespace. If it listens, return as soon as it does."""
    child = host.python("-m", "tests.lab.traffic", command, *map(str, parameters))
    if command in SERVERS:
        child.wait_for("ready")
    return child


def main() -> None:
    """Run one command and print its result."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.traffic")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (function, parameters) in COMMANDS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").partition("\n")[0])
        for parameter, kind in {"address": str, "port": int, **parameters}.items():
            command.add_argument(parameter, type=kind)
    options = vars(parser.parse_args())
    function, _ = COMMANDS[options.pop("command")]
    print(json.dumps(function(**options)))


if __name__ == "__main__":
    main()
