"""The reference: a DataChannel alone, and a DataChannel ⇄ WebSocket relay, without our code.

There are two programs, a page, and code that drives them. None uses the project's code or protocol,
apart from the four words below; only aiortc is loaded as the client loads it.

- `python -m bench.bare client`: aiortc and uvloop; runs commands, lines of JSON on standard input.
- `python -m bench.bare server ADDRESS PORT`: aiohttp and uvloop; serves the page, and is the far
  end of its WebSocket.
- The page answers the client's offer. As a relay (`/?relay`) it copies every message between
  DataChannel and WebSocket; without that it is the far end itself.

The words are text messages from the client: `down N` asks for N bytes in 16 KiB messages, `up N`
announces N, and `stop` ends either. The receiver sends `.` for every 64 KiB. The server keeps at
most 4 MiB unacknowledged, so that the page need not hold a whole transfer. The page as the far end
looks only at its own `bufferedAmount`, as a simple page does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any

from passerelle.io.webrtc import ortc  # noqa: F401 - loads aiortc without PyAV
from tests.lab import Child, Namespace
from tests.lab.browser import LabBrowser

# isort: split
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

MESSAGE = bytes(16 * 1024)
STEP_BYTES = 64 * 1024
WINDOW_BYTES = 4 * 1024 * 1024
QUEUE_BYTES = 1024 * 1024
ENDLESS_BYTES = 1 << 50
OPEN_S = 30.0
SLACK_S = 60.0
"""How long a transfer of a given number of bytes may take."""
CHANNEL_ID = 0

PAGE = """<!doctype html><meta charset="utf-8"><title>Bare</title><link rel="icon" href="data:,">
<script>
const MESSAGE = new ArrayBuffer(16384), STEP = 65536, QUEUE = 1048576;
const isRelay = location.search === '?relay';

function relay(channel) {
  const socket = new WebSocket(`ws://${location.host}/far`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => channel.send(data);
  channel.onmessage = ({ data }) => socket.send(data);
  return new Promise((resolve) => { socket.onopen = resolve; });
}

function end(channel) {
  let left = 0, taken = 0;
  const fill = () => {
    for (; left > 0 && channel.bufferedAmount < QUEUE; left -= 16384) channel.send(MESSAGE);
  };
  channel.bufferedAmountLowThreshold = QUEUE / 2;
  channel.onbufferedamountlow = fill;
  channel.onmessage = ({ data }) => {
    if (typeof data !== 'string') {
      const before = taken;
      taken += data.byteLength;
      for (let n = Math.floor(before / STEP); n < Math.floor(taken / STEP); n++) channel.send('.');
      return;
    }
    const [word, size] = data.split(' ');
    if (word === 'down') left = Number(size);
    if (word === 'stop') left = 0;
    fill();
  };
}

async function answer(sdp) {
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel('', { negotiated: true, id: 0 });
  channel.binaryType = 'arraybuffer';
  window.kept = [connection, channel];
  await (isRelay ? relay(channel) : end(channel));
  await connection.setRemoteDescription({ type: 'offer', sdp });
  await connection.setLocalDescription(await connection.createAnswer());
  // A .local candidate costs aioice a second before it starts; the client is reached without.
  return connection.localDescription.sdp.replace(/a=candidate:.*\\.local .*\\r\\n/g, '');
}
</script>"""


class Bare:
    """A bare channel between a client's host and a browser, used from outside."""

    def __init__(self, client: Namespace, page: LabBrowser, url: str) -> None:
        """Open `url`, a page of `server`, in the browser, and connect the client to it."""
        self._client: Child = client.python("-m", "bench.bare", "client", dialogue=True)
        page.goto(url)
        offer = self._ask(do="offer")["sdp"]
        answer = page.eval(f"answer({json.dumps(offer)})", timeout_s=OPEN_S)
        self._ask(do="answer", sdp=answer)

    @property
    def pid(self) -> int:
        """The id of the client's process."""
        return self._client.pid

    def close(self) -> None:
        """End the client's program."""
        self._client.stop()

    def mbit_s(self, direction: str, *, size: int = 0, seconds: float = 0.0) -> float:
        """Move `size` bytes, or as many as `seconds` allow, `down` or `up`; return the Mbit/s."""
        result = self._ask(do=direction, size=size, seconds=seconds)
        return float(result["bytes"] * 8 / result["seconds"] / 1e6)

    def _ask(self, **request: object) -> dict[str, Any]:
        timeout_s = SLACK_S + OPEN_S
        answer: dict[str, Any] = json.loads(
            self._client.ask(json.dumps(request), timeout_s=timeout_s)
        )
        return answer


def server(host: Namespace, port: int) -> str:
    """Start the server on a host; return the page's URL. With `?relay` added it is a relay."""
    host.python("-m", "bench.bare", "server", host.address, str(port)).wait_for("Running on")
    return f"http://{host.address}:{port}/"


# --- the client's program -------------------------------------------------------------------------


class _Client:
    def __init__(self) -> None:
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel: RTCDataChannel = self._connection.createDataChannel(
            "", negotiated=True, id=CHANNEL_ID
        )
        self._channel.bufferedAmountLowThreshold = QUEUE_BYTES // 2
        self._open = asyncio.Event()
        self._changed = asyncio.Event()
        self._taken = 0
        self._acknowledged = 0
        self._channel.on("open", self._open.set)
        self._channel.on("message", self._message)
        self._channel.on("bufferedamountlow", self._changed.set)

    async def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "offer":
                await self._connection.setLocalDescription(await self._connection.createOffer())
                return {"sdp": self._connection.localDescription.sdp}
            case "answer":
                answer = RTCSessionDescription(request["sdp"], "answer")
                await self._connection.setRemoteDescription(answer)
                async with asyncio.timeout(OPEN_S):
                    await self._open.wait()
                return {}
            case "down":
                return await self._move(request, self._down)
            case _:
                return await self._move(request, self._up)

    async def _move(self, request: dict[str, Any], transfer: Any) -> dict[str, Any]:
        self._taken = self._acknowledged = 0
        size = request["size"] or ENDLESS_BYTES
        seconds = request["seconds"]
        start_s = time.monotonic()
        try:
            async with asyncio.timeout(seconds or SLACK_S):
                await transfer(size)
        except TimeoutError:
            if not seconds:
                raise
        taken_s = time.monotonic() - start_s
        moved = self._taken if transfer == self._down else self._acknowledged
        self._channel.send("stop")
        return {"bytes": moved, "seconds": taken_s}

    async def _down(self, size: int) -> None:
        self._channel.send(f"down {size}")
        while self._taken < size:
            await self._change()

    async def _up(self, size: int) -> None:
        self._channel.send(f"up {size}")
        left = size
        while self._acknowledged < size:
            # Send a few at a time: aiortc transmits only while the event loop is free.
            while left > 0 and self._channel.bufferedAmount < QUEUE_BYTES:
                self._channel.send(MESSAGE)
                left -= len(MESSAGE)
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _message(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._acknowledged += STEP_BYTES
        else:
            before = self._taken
            self._taken += len(message)
            if self._taken // STEP_BYTES > before // STEP_BYTES:
                self._channel.send(".")
        self._changed.set()

    async def close(self) -> None:
        await self._connection.close()


async def _client() -> None:
    requests = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(requests)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    client = _Client()
    async for line in requests:
        print(json.dumps(await client.obey(json.loads(line))), flush=True)
    await client.close()


# --- the server's program -------------------------------------------------------------------------


class _FarEnd:
    """The far end of one WebSocket."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._left = 0
        self._unacknowledged = 0
        self._taken = 0
        self._orders: deque[str] = deque()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write(), name="writer")
            async for message in self._socket:
                await self._take(message.data)
            writer.cancel()

    async def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            before = self._taken
            self._taken += len(data)
            if self._taken // STEP_BYTES > before // STEP_BYTES:
                await self._socket.send_str(".")
            return
        word, _, size = data.partition(" ")
        if word == ".":
            self._unacknowledged -= STEP_BYTES
        elif word == "down":
            self._left = int(size)
            self._unacknowledged = 0
        elif word == "stop":
            self._left = 0
        self._changed.set()

    async def _write(self) -> None:
        while True:
            while self._left > 0 and self._unacknowledged < WINDOW_BYTES:
                self._left -= len(MESSAGE)
                self._unacknowledged += len(MESSAGE)
                await self._socket.send_bytes(MESSAGE)
            self._changed.clear()
            await self._changed.wait()


def _server(address: str, port: int) -> None:
    import uvloop  # noqa: PLC0415 - the driver does without
    from aiohttp import web  # noqa: PLC0415

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def far(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await _FarEnd(socket).run()
        return socket

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/far", far)])
    web.run_app(app, host=address, port=port, access_log=None, loop=uvloop.new_event_loop())


def main() -> None:
    """Run the program that the command line names, until its input or the process ends."""
    if sys.argv[1] == "server":
        _server(sys.argv[2], int(sys.argv[3]))
        return
    import uvloop  # noqa: PLC0415 - the driver does without

    uvloop.run(_client())


if __name__ == "__main__":
    main()
