"""The laboratory: networks of namespaces on this machine, for tests and benchmarks.

    with Lab() as lab:
        star = lab.star("exit")
        client = star.host("client", up=Wan(delay_ms=50, loss_pct=1))
        server = star.hosts["exit"].python("-m", "http.server", "8000")
        server.wait_for("Serving")
        star.block("client", "exit")

It needs Linux and root; `tools.require` says which programs are missing.
"""

from tests.lab.capture import Capture, Packet
from tests.lab.child import Child
from tests.lab.errors import LabError
from tests.lab.lab import Lab, sweep
from tests.lab.namespace import Namespace
from tests.lab.star import Count, Star
from tests.lab.wan import Line, Passage, Wan

__all__ = [
    "Capture",
    "Child",
    "Count",
    "Lab",
    "LabError",
    "Line",
    "Namespace",
    "Packet",
    "Passage",
    "Star",
    "Wan",
    "sweep",
]
