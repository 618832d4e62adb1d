from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.link import SecureLink
from passerelle.io.tunnel.tls import LinkIdentity, TlsPipe, exit_context
from passerelle.wire import envelope
from passerelle.wire.control import RelayDrain
from passerelle.wire.control import encode as encode_control
from passerelle.wire.frames import Close, Data, Drain, Frame, Ping, Pong
from tests.io.tunnel.pipes import (
    CLIENT_TLS,
    EXIT_TLS,
    IDENTITY,
    Listener,
    PipeEnd,
    Relay,
    honest,
    pipe,
)

AFTER = 12
"""By this many messages the handshake, and with it the envelopes, is over."""


class Pair:
    """Both ends of one link."""

    def __init__(
        self, up: Relay = honest, down: Relay = honest, identity: LinkIdentity = IDENTITY
    ) -> None:
        self.ends: tuple[PipeEnd, PipeEnd] = pipe(up, down)
        self.client_side, self.exit_side = Listener(), Listener()
        context = EXIT_TLS if identity is IDENTITY else exit_context(identity)
        self.far = SecureLink(2, self.ends[1], TlsPipe(context), self.exit_side)
        pins = (IDENTITY.spki_sha256,)
        self.near = SecureLink(1, self.ends[0], TlsPipe(CLIENT_TLS, pins), self.client_side)
        self.far.start()
        self.near.start()

    async def ready(self) -> Pair:
        await self.client_side.ready.wait()
        await self.exit_side.ready.wait()
        return self


async def settle() -> None:
    """Let everything that is under way in memory arrive."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_frames_pass_both_ways() -> None:
    """Frames sent together arrive together, in order."""
    pair = await Pair().ready()
    pair.near.send([Ping(1), Data(0, b"abc")])
    pair.far.send([Pong(1)])
    await settle()
    assert pair.exit_side.frames == [Ping(1), Data(0, b"abc")]
    assert pair.exit_side.batches == 1
    assert pair.client_side.frames == [Pong(1)]
    assert pair.near.bytes_sent == pair.far.bytes_received > 0


async def test_small_frames_share_records_and_large_ones_have_their_own() -> None:
    """No link message is longer than LINK_MESSAGE_BYTES."""
    pair = await Pair().ready()
    frames: list[Frame] = [Data(n, bytes(limits.DATA_BYTES)) for n in range(20)]
    pair.near.send([Ping(7), *frames, Ping(8)])
    await settle()
    assert pair.exit_side.frames == [Ping(7), *frames, Ping(8)]
    assert max(map(len, pair.ends[0].messages)) == limits.LINK_MESSAGE_BYTES


async def test_early_messages_are_enveloped_and_padded_differently() -> None:
    """The first messages each way are padded, to other sizes on every link; later ones are bare."""
    sizes = set()
    for _ in range(8):
        pair = await Pair().ready()
        for number in range(limits.ENVELOPED_MESSAGES):
            pair.near.send([Ping(number)])
            pair.far.send([Ping(number)])
        await settle()
        for end in pair.ends:
            early = end.messages[: limits.ENVELOPED_MESSAGES]
            sizes.add(tuple(map(len, early)))
            assert all(envelope.unwrap(message)[0] in range(20, 25) for message in early)
            bare = end.messages[limits.ENVELOPED_MESSAGES]
            assert bare[0] == 0x17
    assert len(sizes) == 16


async def test_wrong_key_ends_the_link_with_identity() -> None:
    """A relay that leads to an exit of its own is found out, and told nothing."""
    pair = Pair(identity=LinkIdentity.generate())
    await pair.client_side.lost.wait()
    assert pair.client_side.code is LinkCode.IDENTITY
    assert not pair.client_side.ready.is_set()
    await settle()
    assert not pair.exit_side.ready.is_set()
    assert len(pair.ends[0].messages) == 1, "nothing but the ClientHello"


def flip(index: int, message: bytes) -> Iterable[bytes]:
    yield message if index < AFTER else message[:-1] + bytes([message[-1] ^ 1])


def drop(index: int, message: bytes) -> Iterable[bytes]:
    if index != AFTER:
        yield message


def repeat(index: int, message: bytes) -> Iterable[bytes]:
    yield message
    if index >= AFTER:
        yield message


def truncate(index: int, message: bytes) -> Iterable[bytes]:
    yield message if index < AFTER else message[:-1]


def invent(index: int, message: bytes) -> Iterable[bytes]:
    yield message
    if index >= AFTER:
        yield b"\x17\x03\x03\x00\x20" + bytes(32)


class Swap:
    """Deliver two messages in the wrong order."""

    def __init__(self) -> None:
        self._held: bytes | None = None

    def __call__(self, index: int, message: bytes) -> Iterable[bytes]:
        if index == AFTER:
            self._held = message
        else:
            yield message
            if self._held is not None:
                held, self._held = self._held, None
                yield held


class Replay:
    """Deliver an old message again, much later."""

    def __init__(self) -> None:
        self._old = b""

    def __call__(self, index: int, message: bytes) -> Iterable[bytes]:
        if index == AFTER:
            self._old = message
        yield message
        if index == AFTER + 3:
            yield self._old


@pytest.mark.parametrize("make", [lambda: flip, lambda: drop, lambda: repeat, lambda: truncate,
                                  lambda: invent, Swap, Replay])  # fmt: skip
@pytest.mark.parametrize("way", ["up", "down"])
async def test_whatever_the_relay_does_to_bytes_ends_the_link(
    make: Callable[[], Relay], way: str
) -> None:
    """Altered, lost, repeated, cut, invented, swapped or replayed: no wrong frame ever arrives."""
    relay = make()
    pair = await (Pair(up=relay) if way == "up" else Pair(down=relay)).ready()
    sender, listener = (pair.near, pair.exit_side) if way == "up" else (pair.far, pair.client_side)
    sent: list[Frame] = [Data(n * 100, bytes([n]) * 100) for n in range(AFTER + 6)]
    for frame in sent:
        sender.send([frame])
    await settle()
    assert listener.code is LinkCode.TRANSPORT
    assert listener.frames == sent[: len(listener.frames)]
    assert len(listener.frames) < len(sent)


@pytest.mark.parametrize("message", [b"", b"\x00", b"\xff\xffabc", b"\x00\x05hello", bytes(16384)])
async def test_garbage_instead_of_a_handshake_ends_the_link(message: bytes) -> None:
    """A relay that talks nonsense to either end is closed, with a code."""
    near, far = pipe()
    listener = Listener()
    SecureLink(1, far, TlsPipe(EXIT_TLS), listener).start()
    near.send(message)
    near.send(message)
    await settle()
    if message == bytes(16384):  # an empty envelope: nothing arrived yet
        assert not listener.errors
    else:
        assert listener.code in (LinkCode.MALFORMED, LinkCode.TRANSPORT)
        assert far.closed is listener.code


async def test_handlers_error_closes_the_link_with_its_code() -> None:
    """A PeerError raised by whoever uses the link is told to the far end."""
    pair = await Pair().ready()

    def refuse(link: SecureLink, frames: list[Frame]) -> None:
        raise PeerError(LinkCode.FLOW, "too much")

    pair.exit_side.link_frames = refuse  # type: ignore[method-assign]
    pair.near.send([Ping(1)])
    await settle()
    assert pair.exit_side.code is LinkCode.FLOW
    assert pair.client_side.code is LinkCode.FLOW
    assert pair.ends[1].closed is LinkCode.FLOW


@pytest.mark.parametrize("frames", [[Close(LinkCode.LIMIT)], [Ping(1), Close(LinkCode.LIMIT)]])
async def test_close_is_told_with_its_code(frames: list[Frame]) -> None:
    """CLOSE of one link ends it; frames before it in the same record still count."""
    pair = await Pair().ready()
    pair.near.send(frames)
    await settle()
    assert pair.exit_side.code is LinkCode.LIMIT
    assert pair.exit_side.frames == frames[:-1]


async def test_close_says_why_and_is_heard_once() -> None:
    """`close` is idempotent; its own handler hears nothing, the far end the code."""
    pair = await Pair().ready()
    pair.near.close(LinkCode.DRAINING)
    pair.near.close(LinkCode.INTERNAL)
    await settle()
    assert pair.client_side.errors == []
    assert pair.exit_side.code is LinkCode.DRAINING
    assert pair.near.closed
    assert pair.far.closed
    pair.near.send([Ping(1)])
    assert pair.exit_side.frames == []


async def test_whoever_a_link_is_handed_over_to_hears_what_happens_next() -> None:
    """The handler before hears nothing any more."""
    pair = await Pair().ready()
    pair.near.send([Ping(1)])
    await settle()
    next_handler = Listener()
    pair.far.hand_over(next_handler)
    pair.near.send([Ping(2)])
    pair.ends[1].say(encode_control(RelayDrain()))
    await settle()
    pair.ends[1].cut()
    assert pair.exit_side.frames == [Ping(1)]
    assert pair.exit_side.draining == 0
    assert pair.exit_side.errors == []
    assert next_handler.frames == [Ping(2)]
    assert next_handler.draining == 1
    assert next_handler.code is LinkCode.TRANSPORT


async def test_giving_a_link_up_is_heard_at_both_ends() -> None:
    """Its own handler hears the error, and the far end the error's code."""
    pair = await Pair().ready()
    pair.near.give_up(LinkLost(LinkCode.DRAINING, "moving"))
    await settle()
    assert pair.client_side.code is LinkCode.DRAINING
    assert pair.exit_side.code is LinkCode.DRAINING
    assert pair.near.closed


async def test_close_of_the_session_reaches_the_handler() -> None:
    """CLOSE of the whole session is the handler's to take."""
    pair = await Pair().ready()
    pair.near.close(LinkCode.NORMAL, ends_session=True)
    await settle()
    assert pair.exit_side.frames == [Close(LinkCode.NORMAL, ends_session=True)]


async def test_lost_transport_is_told_once() -> None:
    """A pipe that breaks ends the link with TRANSPORT."""
    pair = await Pair().ready()
    pair.ends[0].cut()
    pair.near.transport_lost(LinkLost(LinkCode.TRANSPORT, "again"))
    assert pair.client_side.code is LinkCode.TRANSPORT


async def test_relay_and_far_end_may_announce_their_end() -> None:
    """`drain` as text is the relay's word about the link; DRAIN inside it is the far end's own."""
    pair = await Pair().ready()
    pair.ends[0].say(encode_control(RelayDrain()))
    pair.ends[0].say('{"type":"something new"}')
    pair.far.send([Drain()])
    await settle()
    assert pair.client_side.draining == 1
    assert pair.client_side.frames == [Drain()]
    assert pair.client_side.errors == []


@pytest.mark.parametrize("text", ["", "[]", '{"type":' + "[" * 4000, "x" * 9000])
async def test_broken_control_message_ends_the_link(text: str) -> None:
    """A relay that cannot write JSON is closed."""
    pair = await Pair().ready()
    pair.ends[0].say(text)
    await settle()
    assert pair.client_side.code in (LinkCode.MALFORMED, LinkCode.LIMIT)
