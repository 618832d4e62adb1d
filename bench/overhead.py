"""Measure the bytes on a volunteer's WebSocket for every byte of an application."""

from __future__ import annotations

from collections.abc import Iterator

from bench import world
from bench.command import say
from bench.report import Row, at_most
from bench.world import Client, Distant, Engine, laboratory
from tests.lab import Wan

MEANING = """
One bulk transfer over a link that is open already, in network namespaces; the router between
volunteer and exit counts their TCP packets, both ways. payload: what the volunteer's WebSocket
carried, its own framing included, ÷ the application's bytes (20 bytes of IPv4 and 32 of TCP header
taken off every packet). packets: the same with all TCP and IP headers, at 1,500 bytes a packet.
Both count both directions: acknowledgements on the way back are part of the cost.
"""
BYTES = 32 << 20
QUICK_BYTES = 8 << 20
HEADER_BYTES = 52
TIMEOUT_S = 120.0
# Wires between namespaces carry segments of up to 64 KiB, so there would be too few headers.
# Simulated lines carry real packets, even without a delay.
PLAIN = Wan()


def measure(quick: bool, engine: Engine) -> Iterator[Row]:
    """Yield the overhead of a download and of an upload."""
    size = QUICK_BYTES if quick else BYTES
    with laboratory(up=PLAIN, down=PLAIN, near=PLAIN, engine=engine) as distant:
        star, port = distant.star, distant.world.port
        counters = (
            star.count("server", "volunteer", match=f"tcp sport {port}"),
            star.count("volunteer", "server", match=f"tcp dport {port}"),
        )
        client = distant.world.client()
        for direction in ("down", "up"):
            payload, packets = _transfer(distant, client, direction, size, counters)
            say(f"{direction}: {payload} bytes of payload for {size}")
            yield Row(f"{direction} payload", payload / size, "", at_most(1.03), digits=4)
            yield Row(f"{direction} packets", packets / size, "", digits=4)
        distant.check()


def _transfer(
    distant: Distant, client: Client, direction: str, size: int, counters: tuple[str, ...]
) -> tuple[int, int]:
    """Return the bytes on the WebSocket's TCP connection, without and with headers."""
    before = [distant.star.counter(name) for name in counters]
    distant.world.run(client, direction, timeout_s=TIMEOUT_S, bytes=size)
    after = [distant.star.counter(name) for name in counters]
    total = sum(count.bytes for count in after) - sum(count.bytes for count in before)
    packets = sum(count.packets for count in after) - sum(count.packets for count in before)
    return total - packets * HEADER_BYTES, total


if __name__ == "__main__":
    world.main("overhead", measure, MEANING)
