"""The laboratory itself: namespaces and the wires between them, all removed at the end."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import namespace as namespaces
from tests.lab.capture import Capture
from tests.lab.errors import LabError
from tests.lab.namespace import Namespace
from tests.lab.star import Star, configure
from tests.lab.tools import call, require
from tests.lab.wan import BACKLOG_PACKETS, MTU_BYTES, Line, Wan

NAME = re.compile(r"psr(\d+)-\d+-")
"""The start of a namespace's name: the id of the process that made it, and its laboratory's
number."""
LIFETIME_S = 900.0

_numbers = itertools.count(1)


class Lab:
    """A laboratory of network namespaces; use it as a context manager.

    At the end, also after an exception or Ctrl-C, all programs and namespaces that it started are
    gone. What a killed run left behind is removed when the next laboratory starts. All methods
    block for milliseconds only; the waiting methods of `Child` must be called through
    `asyncio.to_thread` from a coroutine.

    `veth` and `wan` number their subnets 10.78.n.0/24 (with the hosts .1 and .2); a star's subnets
    are 10.77.n.0/24.
    """

    def __init__(
        self, *, directory: Path | None = None, seed: int = 1, lifetime_s: float = LIFETIME_S
    ) -> None:
        """Prepare a laboratory.

        `directory` holds outputs and captures; without one, a temporary directory is used and
        removed at the end. `seed` decides which packets the simulated lines lose. A line ends after
        `lifetime_s` even if nobody ends it.
        """
        self.seed = seed
        self.lifetime_s = lifetime_s
        self.namespaces: dict[str, Namespace] = {}
        self._directory = directory
        self._prefix = f"psr{os.getpid()}-{next(_numbers)}-"
        self._exits = contextlib.ExitStack()
        self._subnets = itertools.count(1)
        self._captures = itertools.count(1)
        self._lines = itertools.count()

    def __enter__(self) -> Self:
        require()
        sweep()
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="psr-lab-"))
            self._exits.callback(shutil.rmtree, self._directory, ignore_errors=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def directory(self) -> Path:
        """The directory for outputs and captures. It exists while the laboratory is open."""
        if self._directory is None:
            raise LabError("The laboratory is not open: use it in a `with` statement")
        return self._directory

    def namespace(self, label: str) -> Namespace:
        """Make a namespace; `label` must be new in this laboratory."""
        if label in self.namespaces:
            raise ValueError(f"there is already a namespace {label!r}")
        namespace = Namespace(label, self._prefix + label, self.directory)
        self._exits.callback(namespace.remove)
        namespace.create()
        self.namespaces[label] = namespace
        return namespace

    def veth(self, a: Namespace, b: Namespace) -> None:
        """Join two namespaces by a wire; each device is named after the other namespace."""
        self.wire(a, b.label[:15], b, a.label[:15])
        self._address(a, b.label[:15], b, a.label[:15])

    def wan(self, a: Namespace, b: Namespace, there: Wan, back: Wan | None = None) -> Line:
        """Join two namespaces by a simulated line; without `back`, both directions are alike."""
        line = self._line(a, b.label[:15], b, a.label[:15], there, back or there)
        self._address(a, b.label[:15], b, a.label[:15])
        return line

    def star(self, *labels: str, router: str = "router", network: str = "10.77") -> Star:
        """Make a router, with hosts of these labels on plain wires; `Star.host` adds others.

        `network` is the first half of their addresses.
        """
        star = Star(self.namespace(router), self.namespace, self.wire, self._line, network)
        for label in labels:
            star.host(label)
        return star

    def capture(
        self, namespace: Namespace, interface: str, match: str = "", *, first_bytes: int = 0
    ) -> Capture:
        """Prepare a capture on an interface (or `any`); start it by `with` or `start`.

        See `Capture` for the arguments.
        """
        stem = f"{namespace.label}-{interface}-{next(self._captures)}"
        path = self.directory / f"{stem}.pcap"
        return Capture(namespace, interface, path, match, first_bytes=first_bytes)

    def wire(self, a: Namespace, device_a: str, b: Namespace, device_b: str) -> None:
        """Join two namespaces by a wire without addresses, whose ends have the given names."""
        ends = ["link", "add", device_a, "netns", a.name]
        call("ip", *ends, "type", "veth", "peer", "name", device_b, "netns", b.name)

    def _line(
        self,
        a: Namespace,
        device_a: str,
        b: Namespace,
        device_b: str,
        there: Wan,
        back: Wan,
    ) -> Line:
        line = Line(
            a,
            b,
            device_a=device_a,
            device_b=device_b,
            there=there,
            back=back,
            # Lines made in the same order lose the same packets in every run, but two lines differ.
            seed=self.seed * 1000 + next(self._lines),
            lifetime_s=self.lifetime_s,
        )
        self._exits.callback(line.close)
        for end, device in ((a, device_a), (b, device_b)):
            end.ip("link", "set", "dev", device, "mtu", str(MTU_BYTES))
            end.ip("link", "set", "dev", device, "txqueuelen", str(BACKLOG_PACKETS))
        return line

    def _address(self, a: Namespace, device_a: str, b: Namespace, device_b: str) -> None:
        subnet = next(self._subnets)
        for namespace, device, end in ((a, device_a, 1), (b, device_b, 2)):
            configure(
                namespace,
                device,
                ipaddress.ip_interface(f"10.78.{subnet}.{end}/24"),
                ipaddress.ip_interface(f"fd78:0:0:{subnet}::{end}/64"),
            )


def sweep() -> None:
    """Remove the namespaces, and the programs in them, of laboratories whose process is dead."""
    for line in call("ip", "netns", "list").splitlines():
        match = NAME.match(line)
        if match and not Path(f"/proc/{match[1]}").exists():
            namespaces.remove(line.split()[0])
