"""A transfer at a steady pace, of which every gap and every byte is checked."""

from __future__ import annotations

import functools
import hashlib
import random
import socket
import time
from typing import Any

PACE_S = 0.005
"""Time between two pieces, and so the gap that the receiver sees when nothing happens."""
NOTED_S = PACE_S * 1.5
BUFFER_BYTES = 1 << 18


@functools.lru_cache(maxsize=2)
def content(size: int) -> bytes:
    """Return `size` bytes that cannot be compressed, the same at each call."""
    return random.Random(size).randbytes(size)


def digest(size: int) -> str:
    """Return the SHA-256 of `content(size)`."""
    return hashlib.sha256(content(size)).hexdigest()


def send(connection: socket.socket, size: int, rate: int) -> None:
    """Send `content(size)` at `rate` bytes a second, faster for a while after a delay."""
    data = memoryview(content(size))
    start_s = time.monotonic()
    sent = 0
    while sent < size:
        due = min(size, int((time.monotonic() - start_s) * rate))
        connection.sendall(data[sent:due])
        sent = due
        time.sleep(PACE_S)


def receive(connection: socket.socket, size: int, first: bytes = b"") -> dict[str, Any]:
    """Take `size` bytes, of which `first` came before, or as many as come.

    Return `sha256`, of the bytes that came, and `gaps`: for each time without a byte that was
    longer than the pace, (when it began, how long it was). Both are in seconds of the monotonic
    clock, which all processes of a machine share.
    """
    found = hashlib.sha256(first)
    total = len(first)
    buffer = bytearray(BUFFER_BYTES)
    view = memoryview(buffer)
    gaps: list[tuple[float, float]] = []
    last_s = time.monotonic()
    while total < size and (got := connection.recv_into(buffer)):
        now_s = time.monotonic()
        if now_s - last_s > NOTED_S:
            gaps.append((last_s, now_s - last_s))
        last_s = now_s
        found.update(view[:got])
        total += got
    return {"bytes": total, "sha256": found.hexdigest(), "gaps": gaps}
