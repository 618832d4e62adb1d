"""A reading page's side of a link to a gateway, without the page."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from types import TracebackType
from typing import Self

import aiohttp

from passerelle.io.tasks import TaskSet
from passerelle.wire import binaryhttp, gatewayframes
from passerelle.wire.binaryhttp import Content, Decoder, Head, Request, Trailers
from passerelle.wire.gatewayframes import FRAME_BODY_BYTES, LINK_ID, Frame, FrameType, Reset
from passerelle.wire.oblivious import KeyConfiguration, SealedRequest, seal_request


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has come in full."""

    status: int
    fields: Mapping[str, str]
    content: bytes = field(repr=False)
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_cut(self) -> bool:
        """Whether the gateway says that the site has not sent all of the content."""
        return 'details="cut"' in self.trailers.get("proxy-status", "")

    @property
    def refusal(self) -> str | None:
        """What the gateway refused the request for; None for an answer of the site."""
        told = self.fields.get("proxy-status", "")
        return told.partition('details="')[2].rstrip('"') or None


class WasReset(Exception):
    """The gateway reset a request."""

    def __init__(self, code: Reset) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(slots=True)
class Asking:
    """A request under way; `frames` has what came of its answer."""

    id: int
    sealed: SealedRequest
    frames: asyncio.Queue[Frame | None]
    received_bytes: int = 0


def seal(
    configuration: KeyConfiguration,
    ticket: str,
    method: str,
    url: str,
    fields: Iterable[tuple[str, str]] = (),
    content: bytes = b"",
) -> SealedRequest:
    """Seal a request with a ticket, unless that is empty."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    told = [*fields]
    if ticket:
        told.append(("passerelle-ticket", ticket))
    if method not in {"GET", "HEAD"} and not any(name == "date" for name, _ in told):
        told.append(("date", formatdate(usegmt=True)))
    pairs = tuple((name.encode(), value.encode()) for name, value in told)
    request = Request(method, scheme, authority, slash + path, pairs, content)
    return seal_request(configuration, binaryhttp.pad(binaryhttp.encode_request(request)))


def open_answer(request: SealedRequest, sealed: bytes) -> Answer:
    """Return the answer to `request`. Raises PeerError unless it is genuine and complete."""
    opener, decoder = request.answer(), Decoder(request=False)
    events: list[binaryhttp.Event] = []
    for chunk in opener.receive(sealed):
        events += decoder.receive(chunk)
    events += decoder.receive(opener.end()) + decoder.end()
    head = events[0]
    assert isinstance(head, Head)
    content = b"".join(each.data for each in events if isinstance(each, Content))
    end = events[-1]
    assert isinstance(end, Trailers)
    fields, trailers = (
        {name.decode(): value.decode("latin-1") for name, value in each.fields}
        for each in (head, end)
    )
    return Answer(head.status, fields, content, trailers)


class PageReader:
    """One reader on one link, during an `async with`."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        configuration: KeyConfiguration,
        ticket: str,
        *,
        generous: bool = True,
    ) -> None:
        """A `generous` reader gives credit for everything as it comes."""
        self.socket = socket
        self.configuration = configuration
        self.ticket = ticket
        self._generous = generous
        self._ids = itertools.count(1)
        self._open: dict[int, Asking] = {}
        self._tasks = TaskSet("page reader")
        self.pongs: asyncio.Queue[int] = asyncio.Queue()
        """The marks of PONGs that came."""
        self.link_bytes = 0
        """Bytes of all answers so far."""

    async def __aenter__(self) -> Self:
        self._tasks.spawn(self._read(), "reader")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.socket.close()
        await self._tasks.close()

    def seal(
        self,
        method: str,
        url: str,
        fields: Iterable[tuple[str, str]] = (),
        content: bytes = b"",
    ) -> SealedRequest:
        """Seal a request with this reader's ticket."""
        return seal(self.configuration, self.ticket, method, url, fields, content)

    async def begin(self, sealed: SealedRequest) -> Asking:
        """Send a sealed request."""
        asking = Asking(next(self._ids), sealed, asyncio.Queue())
        self._open[asking.id] = asking
        message = sealed.message
        while len(message) > FRAME_BODY_BYTES:
            part, message = message[:FRAME_BODY_BYTES], message[FRAME_BODY_BYTES:]
            await self.socket.send_bytes(gatewayframes.encode(asking.id, FrameType.REQUEST, part))
        last = gatewayframes.encode(asking.id, FrameType.REQUEST_END, message)
        await self.socket.send_bytes(last)
        return asking

    async def finish(self, asking: Asking) -> Answer:
        """Return the answer. Raises WasReset, and ConnectionError if the link ends first."""
        chunks = bytearray()
        while True:
            async with asyncio.timeout(20):
                frame = await asking.frames.get()
            if frame is None:
                raise ConnectionError("the link ended")
            if frame.kind is FrameType.RESET:
                raise WasReset(Reset(frame.count))
            chunks += frame.body
            if frame.kind is FrameType.ANSWER_END:
                return open_answer(asking.sealed, bytes(chunks))

    async def ask(
        self,
        method: str,
        url: str,
        fields: Iterable[tuple[str, str]] = (),
        content: bytes = b"",
    ) -> Answer:
        """Ask for something, and return the answer. Raises the errors of `finish`."""
        return await self.finish(await self.begin(self.seal(method, url, fields, content)))

    async def credit(self, number: int, count: int) -> None:
        """Allow more bytes."""
        await self.socket.send_bytes(gatewayframes.encode_credit(number, count))

    async def reset(self, asking: Asking) -> None:
        """Give a request up."""
        await self.socket.send_bytes(gatewayframes.encode_reset(asking.id, Reset.CANCELLED))

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            frame = gatewayframes.decode(message.data)
            assert frame is not None
            if frame.kind is FrameType.PING:
                await self.socket.send_bytes(gatewayframes.encode_pong(frame.count))
                continue
            if frame.kind is FrameType.PONG:
                self.pongs.put_nowait(frame.count)
                continue
            asking = self._open[frame.id]
            size = len(frame.body)
            asking.received_bytes += size
            self.link_bytes += size
            asking.frames.put_nowait(frame)
            if self._generous and size:
                await self.credit(LINK_ID, size)
                if frame.kind is FrameType.ANSWER:
                    await self.credit(frame.id, size)
        for asking in self._open.values():
            asking.frames.put_nowait(None)
