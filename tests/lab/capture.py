"""Packet captures, which show what really was on the wire."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.child import Child
from tests.lab.errors import LabError
from tests.lab.namespace import Namespace

BUFFER_KIB = 262_144
"""Kernel memory for packets that tcpdump has not read yet."""
SETTLE_S = 5.0
"""How long to wait until tcpdump has written all that the kernel has seen."""
FILE_HEADER = struct.Struct("<IHHiIII")
PACKET_HEADER = struct.Struct("<IIII")
MAGIC = 0xA1B2C3D4
STATISTICS = re.compile(
    r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped by kernel"
)


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured packet."""

    time_s: float
    """Unix time."""
    data: bytes
    """The bytes from the link layer on: Ethernet on a wire, IP on a simulated line. A capture may
    hold the first ones only."""


class Capture:
    """A tcpdump on an interface of a namespace, from `start` (or `with`) to `stop`.

    A capture that missed packets proves nothing, so reading one raises `LabError`.
    """

    def __init__(
        self,
        namespace: Namespace,
        interface: str,
        path: Path,
        match: str = "",
        *,
        first_bytes: int = 0,
    ) -> None:
        """Prepare to write the packets that match `match` (a pcap filter) to `path`.

        Of each packet it writes `first_bytes`, and all of it if that is 0.
        """
        self.namespace = namespace
        self.interface = interface
        self.path = path
        self.match = match
        self.first_bytes = first_bytes
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when packets are being captured."""
        flags = ["--immediate-mode", "-U", "-n", "-B", str(BUFFER_KIB), "-Z", "root"]
        words = [
            *flags,
            "-s",
            str(self.first_bytes),
            "-i",
            self.interface,
            "-w",
            str(self.path),
            *self.match.split(),
        ]
        self._child = self.namespace.popen("tcpdump", *words)
        self._child.wait_for("listening on")

    def stop(self) -> None:
        """Write all packets seen so far to the file, then end. Idempotent."""
        if self._child is not None and self._child.alive:
            self.settle()
            self._child.stop(first=signal.SIGINT)

    def settle(self) -> None:
        """Wait until all packets seen before this call are in the file.

        Raises `LabError` if packets were missed, or if tcpdump does not catch up.
        """
        assert self._child is not None, "not started"
        _, wanted = self._statistics()
        deadline_s = time.monotonic() + SETTLE_S
        while self._statistics()[0] < wanted:
            if time.monotonic() > deadline_s:
                raise LabError(f"tcpdump on {self.interface} did not catch up in {SETTLE_S} s")

    def contains(self, needle: bytes) -> bool:
        """Return whether the file contains `needle` within one packet."""
        self._flush()
        return needle in self.path.read_bytes()

    def packets(self, match: str = "") -> list[Packet]:
        """Return the packets that match a pcap filter such as `udp port 53`; by default all."""
        self._flush()
        command = ["tcpdump", "-Z", "root", "-n", "-r", str(self.path), "-w", "-", *match.split()]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
        if ended.returncode != 0:
            raise LabError(f"tcpdump could not read {self.path}: {ended.stderr.decode().strip()}")
        return parse(ended.stdout)

    def _flush(self) -> None:
        if self._child is not None and self._child.alive:
            self.settle()

    def _statistics(self) -> tuple[int, int]:
        """Ask tcpdump how many packets it has written and how many the kernel has passed to it."""
        assert self._child is not None
        before = len(STATISTICS.findall(self._child.text()))
        self._child.process.send_signal(signal.SIGUSR1)
        deadline_s = time.monotonic() + SETTLE_S
        while len(found := STATISTICS.findall(self._child.text())) <= before:
            if not self._child.alive or time.monotonic() > deadline_s:
                raise LabError(f"tcpdump on {self.interface} fell silent: {self._child.text()}")
            time.sleep(0.002)
        captured, received, dropped = (int(number) for number in found[-1])
        if dropped:
            raise LabError(f"The capture on {self.interface} missed {dropped} packets")
        return captured, received


def parse(file: bytes) -> list[Packet]:
    """Parse a pcap file with this machine's byte order and microseconds.

    Raises `LabError` for any other file, and for one cut in the middle of a packet.
    """
    if len(file) < FILE_HEADER.size or FILE_HEADER.unpack_from(file)[0] != MAGIC:
        raise LabError("not a pcap file")
    packets = []
    at = FILE_HEADER.size
    while at < len(file):
        if at + PACKET_HEADER.size > len(file):
            raise LabError("pcap file cut in a header")
        seconds, microseconds, size, _ = PACKET_HEADER.unpack_from(file, at)
        at += PACKET_HEADER.size
        if at + size > len(file):
            raise LabError("pcap file cut in a packet")
        packets.append(Packet(seconds + microseconds / 1e6, file[at : at + size]))
        at += size
    return packets


def veil(data: bytes) -> bytes:
    """Return `data` XORed with itself four bytes later, which removes any WebSocket mask.

    A browser masks all that it sends with a mask that repeats every four bytes (RFC 6455 §5.3), so
    plain text would not be found in a capture without this.
    """
    size = len(data) - 4
    mixed = int.from_bytes(data[:size]) ^ int.from_bytes(data[4:])
    return mixed.to_bytes(size)
