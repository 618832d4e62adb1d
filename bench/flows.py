"""What somebody on the path sees of a flow without its content: times, sizes and directions.

A flow is what two ports exchange. Its windows are described by numbers, as the field's classifiers
have them: rates, sizes, gaps, bursts, and how both directions go together.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.lab.capture import Packet

WINDOW_S: Final = 10.0
STEP_S: Final = 5.0
"""Windows overlap: each begins this much after the one before."""
FEWEST_PACKETS: Final = 2
"""A window with fewer shows nothing, so there is none."""
FIRST_BYTES: Final = 96
"""As much of a packet holds the headers of IP and UDP, also with the longest options."""
UDP: Final = 17
LENGTH: Final = struct.Struct("!H")
PORTS: Final = struct.Struct("!HH")

SIZES: Final = (
    0,
    70,
    90,
    110,
    130,
    160,
    200,
    260,
    350,
    500,
    700,
    900,
    1050,
    1150,
    1200,
    1240,
    9000,
)
"""Edges of the histogram of packet sizes, IP and UDP headers included, in bytes."""
GAPS_MS: Final = (0, 0.02, 0.1, 0.4, 1, 2, 4, 7, 12, 18, 22, 30, 36, 50, 100, 1e6)
"""Edges of the histogram of gaps; 20 ms are a sound packet's and 33 ms a picture's."""
SHARES: Final = (5, 25, 50, 75, 95)
"""Per cents of which quantiles are taken."""
BURST_GAP_MS: Final = 2.0
"""Packets of one direction that are nearer than this belong to one burst."""
BIN_S: Final = 0.02
"""The step of the rates over time."""
LAGS: Final = {"20 ms": 1, "40 ms": 2, "100 ms": 5, "500 ms": 25, "1 s": 50}
"""Distances in time at which a rate is compared with itself, in bins."""

Numbers = NDArray[np.float64]
Features = dict[str, float]


@dataclass(frozen=True, slots=True)
class Flow:
    """The packets of a flow, or of a window of it, in order."""

    times_s: Numbers
    """Since the flow's first packet, or since the window's begin."""
    sizes: Numbers
    """Bytes of each packet, IP header included."""
    up: NDArray[np.bool_]
    """Whether each is from the reader."""


def flows(packets: Iterable[Packet], reader: str, other: str) -> list[Flow]:
    """Return the UDP flows between two IPv4 addresses; `packets` begin with the IP header."""
    ends = socket.inet_aton(reader), socket.inet_aton(other)
    found: dict[tuple[int, int], list[tuple[float, int, bool]]] = {}
    for packet in packets:
        data = packet.data
        if data[0] >> 4 != 4 or data[9] != UDP:
            continue
        addresses = data[12:16], data[16:20]
        ports = PORTS.unpack_from(data, (data[0] & 15) * 4)
        if addresses == ends:
            key, is_up = ports, True
        elif addresses == ends[::-1]:
            key, is_up = ports[::-1], False
        else:
            continue
        (size,) = LENGTH.unpack_from(data, 2)
        found.setdefault(key, []).append((packet.time_s, size, is_up))
    return [_flow(each) for each in found.values()]


def _flow(packets: list[tuple[float, int, bool]]) -> Flow:
    times, sizes, up = zip(*packets, strict=True)
    start_s = times[0]
    return Flow(
        np.array([each - start_s for each in times], dtype=np.float64),
        np.array(sizes, dtype=np.float64),
        np.array(up, dtype=np.bool_),
    )


def windows(flow: Flow) -> Iterator[Flow]:
    """Yield the windows of a flow that are whole, from its first packet on."""
    start_s = 0.0
    while len(flow.times_s) and start_s + WINDOW_S <= flow.times_s[-1]:
        chosen = (flow.times_s >= start_s) & (flow.times_s < start_s + WINDOW_S)
        if chosen.sum() >= FEWEST_PACKETS:
            yield Flow(flow.times_s[chosen] - start_s, flow.sizes[chosen], flow.up[chosen])
        start_s += STEP_S


def describe(window: Flow) -> Features:
    """Return the features of a window; each window has the same ones."""
    found: Features = {}
    for side, chosen in (("up", window.up), ("down", ~window.up)):
        times_s, sizes = window.times_s[chosen], window.sizes[chosen]
        rates = _rates(times_s, sizes)
        found |= _totals(side, times_s, sizes)
        found |= _spread(f"{side} size", sizes, SIZES)
        found |= _spread(f"{side} gap ms", np.diff(times_s) * 1e3, GAPS_MS)
        found |= _bursts(side, times_s, sizes)
        found |= _rhythm(side, rates)
    return found | _together(window)


def _totals(side: str, times_s: Numbers, sizes: Numbers) -> Features:
    return {
        f"{side} packets/s": len(times_s) / WINDOW_S,
        f"{side} kbit/s": float(sizes.sum()) * 8 / 1e3 / WINDOW_S,
        f"{side} sizes that differ": float(len(np.unique(sizes))),
    }


def _spread(name: str, values: Numbers, edges: tuple[float, ...]) -> Features:
    """Return mean, deviation, quantiles and histogram."""
    if not len(values):
        values = np.zeros(1)
    counts, _ = np.histogram(values, edges)
    shares = counts / len(values)
    quantiles = np.percentile(values, SHARES)
    pairs = itertools.pairwise(edges)
    return {
        f"{name} mean": float(values.mean()),
        f"{name} deviation": float(values.std()),
        f"{name} most": float(values.max()),
        **{f"{name} p{at}": float(value) for at, value in zip(SHARES, quantiles, strict=True)},
        **{
            f"{name} {low:g}-{high:g}": float(share)
            for (low, high), share in zip(pairs, shares, strict=True)
        },
    }


def _bursts(side: str, times_s: Numbers, sizes: Numbers) -> Features:
    """Return how packets follow each other closely."""
    starts = np.flatnonzero(np.diff(times_s, prepend=-1.0) * 1e3 > BURST_GAP_MS)
    lengths = np.diff(starts, append=len(times_s))
    bytes_each = np.add.reduceat(sizes, starts) if len(starts) else np.zeros(1)
    if not len(lengths):
        lengths = np.zeros(1, dtype=np.intp)
    return {
        f"{side} bursts/s": len(starts) / WINDOW_S,
        f"{side} burst packets mean": float(lengths.mean()),
        f"{side} burst packets p95": float(np.percentile(lengths, 95)),
        f"{side} burst packets most": float(lengths.max()),
        f"{side} burst bytes mean": float(bytes_each.mean()),
        f"{side} burst bytes deviation": float(bytes_each.std()),
        f"{side} burst bytes most": float(bytes_each.max()),
    }


def _rates(times_s: Numbers, sizes: Numbers) -> Numbers:
    """Return the bytes of each `BIN_S`."""
    bins = round(WINDOW_S / BIN_S)
    return np.histogram(times_s, bins, (0.0, WINDOW_S), weights=sizes)[0].astype(np.float64)


def _rhythm(side: str, rates: Numbers) -> Features:
    """Return how the rate varies, and how it is like itself a moment later."""
    seconds = rates.reshape(round(WINDOW_S), -1).sum(axis=1)
    mean = max(1.0, float(rates.mean()))
    found = {
        f"{side} rate deviation / mean, 20 ms": float(rates.std()) / mean,
        f"{side} rate deviation / mean, 1 s": float(seconds.std()) / max(1.0, seconds.mean()),
        f"{side} rate most / mean, 1 s": float(seconds.max()) / max(1.0, seconds.mean()),
        f"{side} rate last half / all": float(seconds[5:].sum()) / max(1.0, seconds.sum()),
        f"{side} time without packets": float((rates == 0).mean()),
    }
    for name, lag in LAGS.items():
        found[f"{side} rate like itself after {name}"] = _likeness(rates[:-lag], rates[lag:])
    return found


def _likeness(one: Numbers, other: Numbers) -> float:
    """Return the correlation of two rates; 0 where one of them is constant."""
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _together(window: Flow) -> Features:
    """Return how both directions go together."""
    up, down = (
        _rates(window.times_s[chosen], window.sizes[chosen]) for chosen in (window.up, ~window.up)
    )
    slow_up, slow_down = (each.reshape(-1, 5).sum(axis=1) for each in (up, down))
    total = max(1.0, float(window.sizes.sum()))
    return {
        "share of bytes up": float(window.sizes[window.up].sum()) / total,
        "share of packets up": float(window.up.mean()),
        "changes of direction / packets": float(np.diff(window.up).mean()),
        "up and down alike, 20 ms": _likeness(up, down),
        "up and down alike, 100 ms": _likeness(slow_up, slow_down),
    }
