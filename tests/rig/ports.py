"""Find free ports on loopback."""

from __future__ import annotations

import contextlib
import random
import socket

RANGE = range(20_000, 32_000)
"""Ports below those that Linux gives to outgoing connections, so that no connection takes a port
between its choice here and its use."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port on which nothing listens at the moment."""
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        try:
            with socket.create_server((host, port)):
                return port
        except OSError:
            continue
    raise AssertionError(f"no port of {host} is free")


def free_udp_ports(count: int, host: str = "127.0.0.1") -> tuple[int, ...]:
    """Return `count` consecutive UDP ports on which nothing listens at the moment."""
    for first in random.SystemRandom().sample(RANGE, len(RANGE)):
        ports = tuple(range(first, first + count))
        with contextlib.ExitStack() as stack:
            try:
                for port in ports:
                    held = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    held.bind((host, port))
            except OSError:
                continue
            return ports
    raise AssertionError(f"no {count} ports of {host} are free")
