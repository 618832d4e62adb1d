"""What a running volunteer tells: by a socket in its state folder, and to Prometheus.

The socket tells whoever may open the folder, as JSON, and then closes. Prometheus asks a port on
127.0.0.1; numbers of people are rounded up there, so that nobody can see one come and go.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from passerelle.core.rounding import rounded
from passerelle.errors import LocalError
from passerelle.io.server.web import WebServer, application
from passerelle.wire.signalling import NatClass

SOCKET: Final = "status.sock"
_METRICS_HOST: Final = "127.0.0.1"
_OWN_NAMES: Final = (_METRICS_HOST, "localhost")
_ASK_S: Final = 5.0
_MOST_BYTES: Final = 65_536
_GRACE_S: Final = 0.2

Word = Annotated[str, Meta(max_length=40)]


REACH: Final = {
    NatClass.OPEN: "everybody",
    NatClass.RESTRICTED: "some",
    NatClass.SYMMETRIC: "some",
    NatClass.BLOCKED: "nobody",
    NatClass.UNKNOWN: "",
}
"""The people that a machine can help, by the class of its NAT. The switch says the same."""


class Status(msgspec.Struct, kw_only=True, frozen=True):
    """A volunteer at one moment."""

    state: Word
    """`helping`, `waiting`, `paused` or `connecting`."""
    reason: Word
    """Why nobody is helped, where something prevents it; empty otherwise."""
    people: int
    """People helped now."""
    places: int
    """People who could be helped at once."""
    helped: int
    """People helped so far; somebody who comes back counts again."""
    failed: int
    """Links that came to nothing."""
    day_bytes: int
    month_bytes: int
    total_bytes: int
    state_s: float
    """Seconds since the program began to wait or to help."""
    last_helped_s: float | None
    """Seconds since somebody was helped last, 0 while somebody is; None if nobody was in this
    run."""
    nat: Word
    reach: Word
    """The people that this machine can help, by its network: `everybody`, `some` (people whose
    own networks allow it), `nobody`, or empty while that is not known."""
    demand: Word = ""
    """How many readers had to wait for a volunteer lately, as the broker rounds it: `many`, `some`,
    `nobody` (or next to nobody), or empty where it does not tell."""
    only_family: bool = False
    """Whether only those are helped who have the family's link."""
    country: Word
    """Where the broker believes this machine is; empty where it cannot tell."""
    speed: Word = ""
    """What its connection is good for, by a test: `video`, `pages`, `slow` (it helps nobody), or
    empty where that was not found out."""
    down_mbit: float | None = None
    """What the test measured from the exit to here, in Mbit/s with one digit."""
    up_mbit: float | None = None
    """The same the other way; None also where `down_mbit` is too little already."""


_GAUGES: Final = {
    "people": "People helped now. Rounded up to a multiple of 8.",
    "helped": "People helped so far. Rounded up to a multiple of 8.",
    "failed": "Links that came to nothing. Rounded up to a multiple of 8.",
    "day_bytes": "Bytes carried today.",
    "month_bytes": "Bytes carried this month.",
    "total_bytes": "Bytes carried in all.",
}
_ROUNDED: Final = ("people", "helped", "failed")
_COUNTERS: Final = ("helped", "failed", "total_bytes")


def exposition(status: Status) -> str:
    """Return the text that Prometheus reads (its text format, version 0.0.4)."""
    lines = []
    for name, meaning in _GAUGES.items():
        count = getattr(status, name)
        if name in _ROUNDED:
            count = rounded(count)
        full = f"passerelle_volunteer_{name}" + ("_total" if name in _COUNTERS else "")
        kind = "counter" if name in _COUNTERS else "gauge"
        lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {count}"]
    is_online = int(status.state in ("waiting", "helping"))
    name = "passerelle_volunteer_online"
    lines += [f"# HELP {name} Whether offers can come.", f"# TYPE {name} gauge"]
    return "\n".join([*lines, f"{name} {is_online}", ""])


class StatusServer:
    """Tells the status until it is closed."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status
        self._stack = AsyncExitStack()
        self.metrics_port: int | None = None
        """The port for Prometheus."""

    async def start(self, folder: Path | None, metrics_port: int | None) -> None:
        """Listen. Raises LocalError."""
        if folder is not None:
            listening = _bound(folder / SOCKET)
            self._stack.callback((folder / SOCKET).unlink, missing_ok=True)
            server = await asyncio.start_unix_server(self._tell, sock=listening)
            self._stack.callback(server.close)
        if metrics_port is not None:
            app = application()
            app.router.add_get("/metrics", self._metrics)
            made = WebServer(app, _METRICS_HOST, metrics_port, grace_s=_GRACE_S)
            self.metrics_port = (await self._stack.enter_async_context(made)).port

    async def close(self) -> None:
        """Tell nothing any more. Idempotent."""
        await self._stack.aclose()

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.json.encode(self._status()))
        writer.close()

    async def _metrics(self, request: web.Request) -> web.Response:
        # A page's own name may lead to this machine: the browser takes the answer for the page's.
        if request.url.host not in _OWN_NAMES:
            raise web.HTTPForbidden(text="Ask for http://127.0.0.1 or http://localhost.\n")
        text = exposition(self._status())
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})


def ask(folder: Path) -> Status:
    """Return the status of the volunteer whose state folder this is. Raises LocalError."""
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_ASK_S)
            asked.connect(str(folder / SOCKET))
            told = b""
            while len(told) <= _MOST_BYTES and (part := asked.recv(_MOST_BYTES)):
                told += part
        return msgspec.json.decode(told, type=Status)
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(
            f"No volunteer runs with the state folder {folder}, or you may not ask it. Start it "
            "with `passerelle volunteer`, or name its folder with --state."
        ) from error


def _bound(path: Path) -> socket.socket:
    """Return a socket at `path` that nobody but this account may ask. Raises LocalError."""
    made = socket.socket(socket.AF_UNIX)
    try:
        # One of a run that was killed may be left. The folder is locked, so none runs.
        path.unlink(missing_ok=True)
        made.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        made.close()
        reason = error.strerror or "its name is too long"
        raise LocalError(
            f"The folder of --state cannot hold a socket ({reason}). Name another one, with a "
            "short name."
        ) from error
    return made


def as_json(status: Status) -> str:
    """Return the status as one line of JSON."""
    return msgspec.json.encode(status).decode()
