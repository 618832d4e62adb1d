"""The application: it uses a `bench.site` through a SOCKS5 proxy, and measures times.

    python -m bench.app COMMAND PROXY_PORT HOST PORT [options]

It prints one JSON object. It uses blocking sockets and only the standard library, so that it takes
less processor time than what it measures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from bench import steady
from bench.site import BLOCK, BUFFER_BYTES, TOTAL

ENDLESS_BYTES = 1 << 50
PATIENCE_S = 60.0
"""The longest wait for any single byte."""
POLL_S = 0.001
STEP_S = 0.1
GREETING = b"\x05\x01\x00"
ANSWER_BYTES = 10
"""The length of a SOCKS5 answer with an IPv4 address in it, which is what the client sends."""


class Failed(Exception):
    """The proxy or the site did not do its part."""


def down(options: argparse.Namespace) -> dict[str, Any]:
    """Download, for `--seconds` or to the end, and return `bytes`, `seconds` and `steps`.

    `seconds` count from the SOCKS connect on; `steps` are the bytes of each `STEP_S`. SIGTERM ends
    the download in good order, with the figures so far.
    """
    start_s = time.monotonic()

    def end(_number: int, _frame: FrameType | None) -> None:
        options.seconds = time.monotonic() - start_s

    signal.signal(signal.SIGTERM, end)
    buffer = bytearray(BUFFER_BYTES)
    total = 0
    steps: list[int] = []
    size = options.bytes or ENDLESS_BYTES
    with connect(options, f"down {size}\n".encode()) as connection:
        while total < size:
            got = connection.recv_into(buffer)
            now_s = time.monotonic()
            if options.seconds and now_s - start_s > options.seconds:
                break
            if not got:
                raise Failed(f"the download ended after {total} of {size} bytes")
            total += got
            step = int((now_s - start_s) / STEP_S)
            steps += [0] * (step + 1 - len(steps))
            steps[step] += got
    seconds = options.seconds or time.monotonic() - start_s
    return {"bytes": total, "seconds": seconds, "steps": steps}


def stall(options: argparse.Namespace) -> dict[str, float]:
    """Read an endless download for `--interval`, then read nothing for `--seconds`; return `bytes`.

    It prints `stalled` to standard error when it stops reading.
    """
    buffer = bytearray(BUFFER_BYTES)
    total = 0
    with connect(options, f"down {ENDLESS_BYTES}\n".encode()) as connection:
        end_s = time.monotonic() + options.interval
        while time.monotonic() < end_s:
            total += connection.recv_into(buffer)
        print("stalled", file=sys.stderr, flush=True)
        time.sleep(options.seconds)
    return {"bytes": total}


def up(options: argparse.Namespace) -> dict[str, float]:
    """Upload; return the `bytes` that reached the site, and `seconds` from the SOCKS connect on."""
    start_s = time.monotonic()
    total = 0
    ending = threading.Event()
    with connect(options, b"up\n") as connection:
        writer = threading.Thread(target=_pour, args=(connection, options, ending), daemon=True)
        writer.start()
        try:
            for total in _totals(connection):
                if options.seconds and time.monotonic() - start_s > options.seconds:
                    break
                if total == options.bytes:
                    break
            seconds = options.seconds or time.monotonic() - start_s
        finally:
            ending.set()
            # Wake the writer, which may be waiting for room.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            writer.join()
    if options.bytes and total != options.bytes:
        raise Failed(f"the upload ended after {total} of {options.bytes} bytes")
    return {"bytes": total, "seconds": seconds}


def echo(options: argparse.Namespace) -> dict[str, list[float]]:
    """Send small messages one after another on one connection; return the `rtt_ms` of each."""
    times = []
    with connect(options, b"echo\n") as connection:
        for number in range(options.count):
            message = number.to_bytes(16, "big")
            start_s = time.monotonic()
            connection.sendall(message)
            _exactly(connection, len(message))
            taken_s = time.monotonic() - start_s
            times.append(taken_s * 1e3)
            time.sleep(max(0.0, options.interval - taken_s))
    return {"rtt_ms": times}


def first(options: argparse.Namespace) -> dict[str, list[float]]:
    """Open connections in turn; return `first_ms`, from SOCKS connect to the site's first byte."""
    times = []
    for _ in range(options.count):
        if options.wait:
            _await_port(options.proxy)
        start_s = time.monotonic()
        with connect(options, b"down 1\n") as connection:
            _exactly(connection, 1)
            times.append((time.monotonic() - start_s) * 1e3)
        time.sleep(options.interval)
    return {"first_ms": times}


def pull(options: argparse.Namespace) -> dict[str, Any]:
    """Download `--bytes` at `--rate` bytes a second; return what `steady.receive` does."""
    with connect(options, f"pull {options.bytes} {options.rate}\n".encode()) as connection:
        return steady.receive(connection, options.bytes)


def push(options: argparse.Namespace) -> dict[str, Any]:
    """Upload `--bytes` at `--rate` bytes a second; return what the site's `steady.receive` does."""
    with connect(options, f"push {options.bytes}\n".encode()) as connection:
        steady.send(connection, options.bytes, options.rate)
        with connection.makefile("rb") as answer:
            told: dict[str, Any] = json.loads(answer.readline())
    return told


def connect(options: argparse.Namespace, first_words: bytes) -> socket.socket:
    """Return a connection to the site, on which `first_words` have been sent.

    If `early`, they are sent before the proxy has answered. With port 0 there is no proxy.
    """
    if options.proxy == 0:
        straight = socket.create_connection((options.host, options.port), timeout=PATIENCE_S)
        # As `bench.site` does, whatever this machine prefers.
        straight.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        straight.sendall(first_words)
        return straight
    host = options.host.encode()
    request = b"\x05\x01\x00\x03" + bytes([len(host)]) + host + options.port.to_bytes(2, "big")
    connection = socket.create_connection(("127.0.0.1", options.proxy), timeout=PATIENCE_S)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(GREETING)
        _exactly(connection, 2)
        connection.sendall(request + (first_words if options.early else b""))
        answer = _exactly(connection, ANSWER_BYTES)
        if answer[1]:
            raise Failed(f"the proxy refused with code {answer[1]}")
        if not options.early:
            connection.sendall(first_words)
    except BaseException:
        connection.close()
        raise
    return connection


def _await_port(port: int) -> None:
    print("waiting", file=sys.stderr, flush=True)
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(POLL_S)
    raise Failed("the proxy never opened its port")


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise Failed("the connection ended early")
        data += more
    return data


def _pour(connection: socket.socket, options: argparse.Namespace, ending: threading.Event) -> None:
    left = options.bytes or ENDLESS_BYTES
    with contextlib.suppress(OSError):
        while left and not ending.is_set():
            left -= connection.send(BLOCK[: min(left, len(BLOCK))])
        connection.shutdown(socket.SHUT_WR)


def _totals(connection: socket.socket) -> Iterator[int]:
    data = b""
    while more := connection.recv(BUFFER_BYTES):
        data += more
        whole = len(data) // TOTAL.size * TOTAL.size
        if whole:
            yield TOTAL.unpack_from(data, whole - TOTAL.size)[0]
        data = data[whole:]


COMMANDS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "down": down,
    "up": up,
    "echo": echo,
    "first": first,
    "pull": pull,
    "push": push,
    "stall": stall,
}


def main() -> None:
    """Run one command and print its result, or the reason for failing on standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.app")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("proxy", type=int)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--bytes", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--interval", type=float, default=0.0)
    parser.add_argument("--early", action="store_true")
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    try:
        result = COMMANDS[options.command](options)
    except (Failed, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
