"""Run curl, as an application that the reader uses."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path

from tests.rig.program import Program

TIMEOUT_S = 60.0
_SOCKS_REPLY = re.compile(r"SOCKS5 connection to \S+ \((\d+)\)")
_RESULT = re.compile(r"^RESULT (\d+) (\d+)$", re.MULTILINE)


class Proxy(enum.Enum):
    """The two proxy protocols of the client's local port."""

    SOCKS = "socks"
    HTTP = "http"

    def options(self, port: int) -> tuple[str, ...]:
        """Return curl's options for a proxy at `port`, used for all hosts."""
        if self is Proxy.SOCKS:
            way: tuple[str, ...] = ("--socks5-hostname", f"127.0.0.1:{port}")
        else:
            way = ("-x", f"http://127.0.0.1:{port}")
        return ("--noproxy", "", *way)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of one request."""

    code: int
    """The exit code of curl."""
    status: int
    """HTTP status of the answer; 0 without one."""
    connect_status: int
    """HTTP status of the proxy's answer to CONNECT; 0 without one."""
    text: str
    """The error messages of curl."""
    path: Path
    """The file that holds the body."""

    @property
    def body(self) -> bytes:
        """The body of the answer; empty without one."""
        return self.path.read_bytes() if self.path.exists() else b""

    @property
    def socks_reply(self) -> int | None:
        """The SOCKS reply (RFC 1928 §6) that curl's message names; None without one."""
        found = _SOCKS_REPLY.search(self.text)
        return int(found[1]) if found else None


class Fetch:
    """One curl that runs during an `async with`, unless it ends earlier."""

    def __init__(self, proxy: Proxy, port: int, path: Path, *more: str) -> None:
        """`more` is the URL and further options; the body goes to the file `path`."""
        self._path = path
        self._program = Program(
            *("curl", "-q", "-sS", "-o", str(path), "-w", r"\nRESULT %{http_code} %{http_connect}"),
            *("--max-time", str(TIMEOUT_S), *proxy.options(port), *more),
        )

    async def __aenter__(self) -> Fetch:
        await self._program.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._program.stop()

    @property
    def running(self) -> bool:
        """Whether curl still runs."""
        return self._program.returncode is None

    async def result(self) -> Fetched:
        """Wait until curl ends, and return the outcome."""
        code = await self._program.wait(TIMEOUT_S + 5)
        text = "\n".join(self._program.lines)
        status = _RESULT.search(text)
        assert status is not None, text
        return Fetched(code, int(status[1]), int(status[2]), text, self._path)


async def fetch(proxy: Proxy, port: int, path: Path, *more: str) -> Fetched:
    """Run one curl to its end."""
    async with Fetch(proxy, port, path, *more) as running:
        return await running.result()
