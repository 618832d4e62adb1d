"""Volunteers that mean harm, as real relays through a real DataChannel."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
import pytest_asyncio

from passerelle import limits
from passerelle.client.notices import LinkDown, LinkUp
from passerelle.client.service import Client
from passerelle.errors import PeerError
from passerelle.io.tunnel.tls import LinkIdentity, TlsPipe, exit_context
from passerelle.wire import envelope
from tests.network import HOST, Network, Watch, network
from tests.volunteer import Relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = random.Random(5).randbytes(100_000)
ENVELOPED = limits.ENVELOPED_MESSAGES
TLS_HEADER_BYTES = 5
TAPE_MESSAGES = 50
TRANSFERS = 100
"""Far more than it takes until a bad link has carried something."""


class Way(Enum):
    """Which messages a volunteer harms."""

    UP = "up"
    DOWN = "down"


class Place(Enum):
    """Where in a link message a bit is flipped."""

    LENGTH = "envelope length"
    TYPE = "TLS record type"
    SIZE = "TLS record size"
    CIPHERTEXT = "ciphertext"
    TAG = "tag"

    def index(self, message: bytes, *, enveloped: bool) -> int:
        """Return the byte of a message that holds one TLS record, or several."""
        start = limits.ENVELOPE_BYTES if enveloped else 0
        length = int.from_bytes(message[:start], "big") if enveloped else len(message)
        return {
            Place.LENGTH: 0,
            Place.TYPE: start,
            Place.SIZE: start + 3,
            Place.CIPHERTEXT: start + TLS_HEADER_BYTES + 1,
            Place.TAG: start + length - 1,
        }[self]


def flip(message: bytes, index: int) -> bytes:
    return message[:index] + bytes([message[index] ^ 0x10]) + message[index + 1 :]


DELAY_S = 0.02


class Distant(Relay):
    """An honest volunteer far away: what is sent goes to a nearer one first."""

    async def down(self, message: bytes) -> None:
        asyncio.get_running_loop().call_later(DELAY_S, self.to_client, message)


class Harmful(Relay):
    """Harms messages of one direction, from a message's number on, once its owner says so."""

    def __init__(self, way: Way, *, first: int, armed: asyncio.Event) -> None:
        self._way = way
        self._first = first
        self._armed = armed
        self._seen = dict.fromkeys(Way, 0)

    async def up(self, message: bytes) -> None:
        await self._take(Way.UP, message, self.to_exit)

    async def down(self, message: bytes) -> None:
        async def send(altered: bytes) -> None:
            self.to_client(altered)

        await self._take(Way.DOWN, message, send)

    async def _take(self, way: Way, message: bytes, send: Callable[[bytes], Any]) -> None:
        number = self._seen[way]
        self._seen[way] += 1
        if way is self._way and number >= self._first and self._armed.is_set():
            for altered in self.harm(message, enveloped=number < ENVELOPED):
                await send(altered)
        else:
            await send(message)

    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        """Return what is sent instead."""
        raise NotImplementedError


class Flip(Harmful):
    def __init__(self, place: Place, *rest: Any, **more: Any) -> None:
        super().__init__(*rest, **more)
        self._place = place

    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        return [flip(message, self._place.index(message, enveloped=enveloped))]


class FlipPadding(Harmful):
    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        has_padding = len(envelope.unwrap(message)) + limits.ENVELOPE_BYTES < len(message)
        return [flip(message, len(message) - 1) if has_padding else message]


class Drop(Harmful):
    """Loses every other message."""

    _drops = False

    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        self._drops = not self._drops
        return [] if self._drops else [message]


class Duplicate(Harmful):
    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        return [message, message]


class Reorder(Harmful):
    _held: bytes | None = None

    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        held, self._held = self._held, None
        if held is None:
            self._held = message
            return []
        return [message, held]


class Truncate(Harmful):
    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        if enveloped:
            payload = envelope.unwrap(message)
            return [envelope.wrap(payload[: len(payload) // 2], 0)]
        return [message[: len(message) // 2]]


class Oversize(Harmful):
    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        return [bytes(limits.LINK_MESSAGE_BYTES + 1)]


class Record(Distant):
    """Remembers the messages of one direction, and harms none."""

    def __init__(self, tape: list[bytes], way: Way, *, first: int) -> None:
        self._tape = tape
        self._way = way
        self._first = first
        self._seen = 0

    async def up(self, message: bytes) -> None:
        self._note(Way.UP, message)
        await super().up(message)

    async def down(self, message: bytes) -> None:
        self._note(Way.DOWN, message)
        await super().down(message)

    def _note(self, way: Way, message: bytes) -> None:
        if way is self._way and len(self._tape) < TAPE_MESSAGES:
            self._seen += 1
            if self._seen > self._first:
                self._tape.append(message)


class Replay(Harmful):
    """Sends another link's messages in place of this one's."""

    def __init__(self, tape: list[bytes], *rest: Any, **more: Any) -> None:
        super().__init__(*rest, **more)
        self._tape = tape

    def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
        return [self._tape.pop(0) if self._tape else message]


class Impostor(Relay):
    """Ends the client's TLS itself, with a key of its own, and asks no exit."""

    def __init__(self) -> None:
        self._tls = TlsPipe(exit_context(LinkIdentity.generate()))

    async def up(self, message: bytes) -> None:
        self._tls.feed(envelope.unwrap(message))
        with contextlib.suppress(PeerError):
            self._tls.handshake()
        if answer := self._tls.output():
            self.to_client(envelope.wrap(answer, 0))


class Silent(Relay):
    """Accepts, and says nothing more once its owner says so."""

    def __init__(self, armed: asyncio.Event) -> None:
        self._armed = armed

    async def up(self, message: bytes) -> None:
        if not self._armed.is_set():
            await self.to_exit(message)

    async def down(self, message: bytes) -> None:
        if not self._armed.is_set():
            self.to_client(message)


class Trickle(Relay):
    """Sends on one byte a second of what the exit says, once its owner says so."""

    def __init__(self, armed: asyncio.Event) -> None:
        self._armed = armed
        self._seen = self._sent = 0

    async def down(self, message: bytes) -> None:
        self._seen += 1
        if not self._armed.is_set():
            self._send(message)
            return
        for byte in envelope.unwrap(message) if self._seen <= ENVELOPED else message:
            await asyncio.sleep(1)
            piece = bytes([byte])
            self._send(envelope.wrap(piece, 0) if self._sent < ENVELOPED else piece)

    def _send(self, message: bytes) -> None:
        self._sent += 1
        self.to_client(message)


class Leave(Relay):
    """Closes the link as soon as HELLO has passed, or what it takes for it."""

    _seen = 0

    async def up(self, message: bytes) -> None:
        await self.to_exit(message)
        self._seen += 1
        if self._seen == 2:  # the first is the ClientHello
            self.leave()


# --- the network ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    net: Network
    site_port: int

    @asynccontextmanager
    async def party(self) -> AsyncIterator[AsyncExitStack]:
        """Whoever is added to the network in here is gone at the end."""
        async with AsyncExitStack() as stack:
            outer, self.net._stack = self.net._stack, stack
            try:
                yield stack
            finally:
                self.net._stack = outer


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send BODY, and what came."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        came = await reader.readexactly(len(BODY))
        writer.write(BODY + came)
        await writer.drain()
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with network() as net, await asyncio.start_server(_answer, HOST, 0) as site:
        yield World(net, site.sockets[0].getsockname()[1])


async def exchange(client: Client, port: int) -> None:
    """Send BODY and get it back twice, through the client: never another byte."""
    reader, writer = await asyncio.open_connection(HOST, client.port)
    try:
        async with asyncio.timeout(15):
            name = bytes([len(HOST)]) + HOST.encode() + port.to_bytes(2, "big")
            writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + name + BODY)
            assert (await reader.readexactly(12))[:4] == b"\x05\x00\x05\x00"
            assert await reader.read(-1) == BODY + BODY
    finally:
        writer.close()


async def until_down(client: Client, watch: Watch, port: int) -> str:
    """Exchange until a link is down; return the reason that was told."""
    for _ in range(TRANSFERS):
        await exchange(client, port)
        if watch.count(LinkDown):
            break
    down = await watch.until(LinkDown)
    assert isinstance(down, LinkDown)
    return down.reason


# --- harm in the middle ---------------------------------------------------------------------------

HARMS: dict[str, Callable[..., Harmful]] = {
    **{
        f"flip {place.value}": lambda *args, place=place, **more: Flip(place, *args, **more)
        for place in (Place.TYPE, Place.CIPHERTEXT, Place.TAG)
    },
    "drop": Drop,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "truncate": Truncate,
    "oversize": Oversize,
}


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("harm", HARMS)
async def test_harm_in_a_transfer_costs_the_link_and_nothing_else(
    harm: str, way: Way, world: World
) -> None:
    """With one honest link, everything arrives; the bad one is closed and reported."""
    armed = asyncio.Event()
    async with world.party():
        await world.net.volunteer(relay=lambda: HARMS[harm](way, first=ENVELOPED, armed=armed))
        client, watch = await world.net.client(links=2, lanes=1)
        await watch.until(LinkUp)
        await world.net.volunteer(relay=Distant)
        await watch.until(LinkUp, 2)
        await exchange(client, world.site_port)
        assert watch.count(LinkDown) == 0
        armed.set()
        reason = await until_down(client, watch, world.site_port)
        assert re.search(r"\((transport|malformed|limit)\)", reason), reason
        await exchange(client, world.site_port)


# --- harm from the first message on ---------------------------------------------------------------


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("place", Place)
async def test_a_harmed_handshake_makes_no_link(place: Place, way: Way, world: World) -> None:
    """A bit flipped in the first message: the link is never up, and an honest one is taken."""
    armed = asyncio.Event()
    armed.set()
    async with world.party():
        await world.net.volunteer(relay=lambda: Flip(place, way, first=0, armed=armed))
        client, watch = await world.net.client(welcome_timeout_s=0.5)
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert re.search(r"\((transport|malformed|timeout)\)", down.reason), down.reason
        assert watch.count(LinkUp) == 0
        await world.net.volunteer()
        await exchange(client, world.site_port)


@pytest.mark.parametrize("way", Way)
async def test_padding_is_not_ours_to_defend(way: Way, world: World) -> None:
    """It lies outside the link's TLS: a flipped bit there changes nothing."""
    armed = asyncio.Event()
    armed.set()
    async with world.party():
        await world.net.volunteer(relay=lambda: _padding(way, armed))
        client, watch = await world.net.client()
        await exchange(client, world.site_port)
        assert watch.count(LinkDown) == 0


def _padding(way: Way, armed: asyncio.Event) -> Harmful:
    class OnlyEnveloped(FlipPadding):
        def harm(self, message: bytes, *, enveloped: bool) -> list[bytes]:
            return super().harm(message, enveloped=True) if enveloped else [message]

    return OnlyEnveloped(way, first=0, armed=armed)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("first", [0, ENVELOPED])
async def test_bytes_of_another_link_are_worth_nothing(first: int, way: Way, world: World) -> None:
    """What one link carried is sent into another of the same session."""
    tape: list[bytes] = []
    replaying = asyncio.Event()
    async with world.party():
        await world.net.volunteer(relay=lambda: Record(tape, way, first=first))
        client, watch = await world.net.client(links=2, lanes=1, welcome_timeout_s=0.5)
        await watch.until(LinkUp)
        await exchange(client, world.site_port)
        assert tape
        if first == 0:
            replaying.set()
        await world.net.volunteer(relay=lambda: Replay(tape, way, first=first, armed=replaying))
        if first:
            await watch.until(LinkUp, 2)
            replaying.set()
        reason = await until_down(client, watch, world.site_port)
        assert re.search(r"\((transport|malformed|timeout)\)", reason), reason
        await exchange(client, world.site_port)


async def test_a_man_in_the_middle_is_found_out(world: World) -> None:
    """A volunteer that ends TLS itself has no key that the descriptor pins, and makes no link."""
    async with world.party():
        await world.net.volunteer(relay=Impostor)
        client, watch = await world.net.client()
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "(identity)" in down.reason
        assert watch.count(LinkUp) == 0
        await world.net.volunteer()
        await exchange(client, world.site_port)


async def test_one_who_leaves_after_hello_is_replaced(world: World) -> None:
    async with world.party():
        await world.net.volunteer(relay=Leave)
        client, watch = await world.net.client()
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "(transport)" in down.reason
        await world.net.volunteer()
        await exchange(client, world.site_port)


async def test_one_who_accepts_and_stays_silent_is_replaced(world: World) -> None:
    """A volunteer that falls silent during the handshake makes no link."""
    armed = asyncio.Event()
    armed.set()
    async with world.party():
        await world.net.volunteer(relay=lambda: Silent(armed))
        client, watch = await world.net.client(welcome_timeout_s=0.3)
        down = await watch.until(LinkDown)
        assert isinstance(down, LinkDown)
        assert "(timeout)" in down.reason
        assert watch.count(LinkUp) == 0
        await world.net.volunteer()
        await exchange(client, world.site_port)


async def test_those_who_fall_silent_or_trickle_are_dismissed(world: World) -> None:
    """The transfer goes on over the honest link; in the end the others are closed as silent.

    So is one whose flipped record size makes TLS wait for what never comes.
    """
    armed = asyncio.Event()
    relays: list[Callable[[], Relay]] = [
        lambda: Silent(armed),
        lambda: Trickle(armed),
        lambda: Flip(Place.SIZE, Way.DOWN, first=ENVELOPED, armed=armed),
    ]
    async with world.party():
        for relay in relays:
            await world.net.volunteer(relay=relay)
        client, watch = await world.net.client(links=4, lanes=1)
        await watch.until(LinkUp, 3)
        bad = {notice.link for notice in watch.notices if isinstance(notice, LinkUp)}
        await world.net.volunteer(relay=Distant)
        await watch.until(LinkUp, 4)
        armed.set()
        reasons: dict[int, str] = {}
        async with asyncio.timeout(15):
            while not bad <= reasons.keys():
                await exchange(client, world.site_port)
                downs = (notice for notice in watch.notices if isinstance(notice, LinkDown))
                reasons = {down.link: down.reason for down in downs}
        for number in bad:
            assert re.search(r"\((timeout|transport)\)", reasons[number]), reasons[number]
        await exchange(client, world.site_port)
