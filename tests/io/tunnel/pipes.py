"""Links in memory: pairs of transports, hostile ones among them, and tunnels joined by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.stream import TunnelStream
from passerelle.io.tunnel.tls import LinkIdentity, TlsPipe, client_context, exit_context
from passerelle.io.tunnel.transport import Receiver, Windows
from passerelle.io.tunnel.tunnel import Tunnel
from passerelle.wire.control import Control
from passerelle.wire.frames import Frame

IDENTITY = LinkIdentity.generate()
EXIT_TLS = exit_context(IDENTITY)
CLIENT_TLS = client_context()

Relay = Callable[[int, bytes], Iterable[bytes]]
"""What a relay makes of the n-th message of one direction."""


def honest(_index: int, message: bytes) -> Iterable[bytes]:
    return (message,)


class PipeEnd:
    """One end of a transport in memory; messages arrive in the next turn of the loop."""

    def __init__(self, relay: Relay = honest) -> None:
        self.peer: PipeEnd
        self.messages: list[bytes] = []
        """What was sent from here, before the relay had its hands on it."""
        self.said: list[str] = []
        """What was sent from here to the relay itself."""
        self.closed: LinkCode | None = None
        self.known: Windows | None = None
        """What this end claims to know of its path."""
        self._relay = relay
        self._receiver: Receiver | None = None
        self._early: list[bytes | str] = []

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        early, self._early = self._early, []
        for message in early:
            self._post(message)

    def send(self, message: bytes) -> None:
        if self.closed is not None:
            return
        index = len(self.messages)
        self.messages.append(message)
        for altered in self._relay(index, message):
            self.peer._post(altered)

    def send_control(self, text: str) -> None:
        self.said.append(text)

    def windows(self, rtt_s: float) -> Windows | None:
        return self.known

    def say(self, text: str) -> None:
        """Let the relay itself speak to this end."""
        self._post(text)

    def close(self, code: LinkCode) -> None:
        if self.closed is None:
            self.closed = code
            asyncio.get_running_loop().call_soon(self.peer.cut)

    def cut(self) -> None:
        """End this side as a broken transport does."""
        if self.closed is None:
            self.closed = LinkCode.TRANSPORT
            if self._receiver is not None:
                self._receiver.transport_lost(LinkLost(LinkCode.TRANSPORT, "the pipe was cut"))

    def _post(self, message: bytes | str) -> None:
        if self._receiver is None:
            self._early.append(message)
        else:
            asyncio.get_running_loop().call_soon(self._deliver, message)

    def _deliver(self, message: bytes | str) -> None:
        assert self._receiver is not None
        if self.closed is not None:
            return
        if isinstance(message, str):
            self._receiver.control_received(message)
        else:
            self._receiver.message_received(message)


def pipe(up: Relay = honest, down: Relay = honest) -> tuple[PipeEnd, PipeEnd]:
    """Return the client's and the exit's end; `up` relays what the client sends."""
    client, far = PipeEnd(up), PipeEnd(down)
    client.peer, far.peer = far, client
    return client, far


@dataclass
class Listener:
    """Handles one link and writes down what happens."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    frames: list[Frame] = field(default_factory=list)
    batches: int = 0
    draining: int = 0
    windows: int = 0
    controls: list[Control] = field(default_factory=list)
    errors: list[LinkLost] = field(default_factory=list)

    def link_ready(self, link: SecureLink) -> None:
        self.ready.set()

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        assert frames
        self.batches += 1
        self.frames += frames

    def link_draining(self, link: SecureLink) -> None:
        self.draining += 1

    def link_windows(self, link: SecureLink) -> None:
        self.windows += 1

    def link_control(self, link: SecureLink, message: Control) -> None:
        self.controls.append(message)

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        self.errors.append(error)
        self.lost.set()

    @property
    def code(self) -> LinkCode:
        (error,) = self.errors
        return error.code


class Joint:
    """Attaches a link to its tunnel as soon as it is secure."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel

    def link_ready(self, link: SecureLink) -> None:
        self._tunnel.attach(link)
        link.hand_over(self._tunnel)

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        raise AssertionError("the tunnel takes frames")

    def link_draining(self, link: SecureLink) -> None:
        pass

    def link_windows(self, link: SecureLink) -> None:
        pass

    def link_control(self, link: SecureLink, message: Control) -> None:
        pass

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        pass


class Owner:
    """Owns a tunnel and writes down what happens to it."""

    def __init__(self) -> None:
        self.down: asyncio.Queue[LinkLost] = asyncio.Queue()
        self.leaving: list[int] = []
        self.exit_leaves = 0
        self.controls: list[tuple[int, Control]] = []
        self.requested: asyncio.Queue[tuple[TunnelStream, str, int]] = asyncio.Queue()
        self.flows: asyncio.Queue[tuple[TunnelStream, str, int]] = asyncio.Queue()
        self.ended: asyncio.Future[LinkCode] = asyncio.get_running_loop().create_future()

    def link_down(self, number: int, error: LinkLost) -> None:
        self.down.put_nowait(error)

    def link_leaving(self, number: int) -> None:
        self.leaving.append(number)

    def link_control(self, number: int, message: Control) -> None:
        self.controls.append((number, message))

    def stream_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        self.requested.put_nowait((stream, host, port))

    def tunnel_leaving(self) -> None:
        self.exit_leaves += 1

    def flow_requested(self, stream: TunnelStream, host: str, port: int) -> None:
        self.flows.put_nowait((stream, host, port))

    def request_malformed(self) -> None:
        pass

    def tunnel_ended(self, reason: LinkCode) -> None:
        self.ended.set_result(reason)


class Tunnels:
    """A client's and an exit's tunnel of one session, without HELLO."""

    def __init__(
        self, grace_s: float = 60, *, flows: bool = True, turns: FairTurns | None = None
    ) -> None:
        self.client_owner, self.exit_owner = Owner(), Owner()
        self.client = Tunnel(self.client_owner, client=True, grace_s=grace_s)
        self.exit = Tunnel(self.exit_owner, client=False, grace_s=grace_s, flows=flows, turns=turns)
        self._next = 0

    async def link(self, up: Relay = honest, down: Relay = honest) -> tuple[PipeEnd, PipeEnd]:
        """Join the tunnels by one more link."""
        near, far = pipe(up, down)
        number = self._next
        self._next += 1
        SecureLink(number, far, TlsPipe(EXIT_TLS), Joint(self.exit)).start()
        pins = (IDENTITY.spki_sha256,)
        SecureLink(number, near, TlsPipe(CLIENT_TLS, pins), Joint(self.client)).start()
        return near, far

    async def stream(self) -> tuple[TunnelStream, TunnelStream]:
        """Return both ends of an open stream."""
        near = self.client.open("example.net", 443)
        far, _, _ = await self.exit_owner.requested.get()
        far.accept()
        await near.opened()
        return near, far

    async def flow(self) -> tuple[TunnelStream, TunnelStream]:
        """Return both ends of an open UDP flow."""
        assert await self.client.offers_flows()
        near = self.client.open_flow("example.net", 53)
        far, _, _ = await self.exit_owner.flows.get()
        far.accept()
        await near.opened()
        return near, far

    def close(self) -> None:
        self.client.close()
        self.exit.close()


async def read_all(stream: TunnelStream) -> bytes:
    """Return everything up to the end."""
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def send_all(stream: TunnelStream, data: bytes, step: int = 65536) -> None:
    """Send everything and the end."""
    for start in range(0, len(data), step):
        await stream.write(data[start : start + step])
    stream.write_end()
    await stream.flushed()
