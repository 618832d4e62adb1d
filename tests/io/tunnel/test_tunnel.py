from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable

import pytest

from passerelle import limits
from passerelle.errors import Failure, LinkCode, StreamFailed
from passerelle.io.tunnel import linktable
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.io.tunnel.transport import Windows
from passerelle.wire.control import RelayDrain, encode
from tests.io.tunnel.pipes import Tunnels, read_all, send_all

PAYLOAD = random.Random(1).randbytes(3 * limits.MIB + 17)


@pytest.fixture
async def tunnels() -> AsyncIterator[Tunnels]:
    made = Tunnels()
    yield made
    made.close()


def silent(_index: int, _message: bytes) -> Iterable[bytes]:
    return ()


async def test_bytes_pass_both_ways_over_several_links(tunnels: Tunnels) -> None:
    """Both directions carry exactly what was written, at once."""
    for _ in range(3):
        await tunnels.link()
    near, far = await tunnels.stream()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        up = group.create_task(read_all(far))
        down = group.create_task(read_all(near))
        group.create_task(send_all(near, PAYLOAD))
        group.create_task(send_all(far, PAYLOAD[::-1]))
    assert up.result() == PAYLOAD
    assert down.result() == PAYLOAD[::-1]
    assert tunnels.client.stream_count == 0
    assert tunnels.exit.stream_count == 0


@pytest.mark.parametrize("client_first", [True, False])
async def test_half_close_leaves_the_other_direction_open(
    tunnels: Tunnels, client_first: bool
) -> None:
    """After one side has said its last, the other may go on speaking."""
    await tunnels.link()
    near, far = await tunnels.stream()
    first, second = (near, far) if client_first else (far, near)
    await send_all(first, b"question")
    assert await read_all(second) == b"question"
    await second.write(b"a long ")
    assert await first.read() == b"a long "
    await send_all(second, b"answer")
    assert await read_all(first) == b"answer"
    assert tunnels.client.stream_count == tunnels.exit.stream_count == 0


async def test_data_sent_before_the_answer_arrives(tunnels: Tunnels) -> None:
    """A client need not wait for the exit's yes."""
    await tunnels.link()
    near = tunnels.client.open("example.net", 443)
    await near.write(b"early")
    far, host, port = await tunnels.exit_owner.requested.get()
    assert (host, port) == ("example.net", 443)
    assert await far.read() == b"early"


@pytest.mark.parametrize("failure", [Failure.POLICY, Failure.UNREACHABLE, Failure.PORT_CLOSED])
async def test_refusal_reaches_the_client(tunnels: Tunnels, failure: Failure) -> None:
    """Why the exit has not connected arrives as the same Failure."""
    await tunnels.link()
    near = tunnels.client.open("example.net", 443)
    far, _, _ = await tunnels.exit_owner.requested.get()
    far.refuse(failure)
    with pytest.raises(StreamFailed) as caught:
        await near.opened()
    assert caught.value.failure is failure
    assert await far.broken() is failure
    assert tunnels.client.stream_count == tunnels.exit.stream_count == 0


@pytest.mark.parametrize("by_client", [True, False])
async def test_reset_breaks_both_directions(tunnels: Tunnels, by_client: bool) -> None:
    """An aborted stream raises at the far end, for reader and writer alike."""
    await tunnels.link()
    near, far = await tunnels.stream()
    breaker, other = (near, far) if by_client else (far, near)
    breaker.abort()
    breaker.abort()
    await other.broken()
    with pytest.raises(StreamFailed):
        await other.read()
    with pytest.raises(StreamFailed):
        await other.write(b"x")
    with pytest.raises(StreamFailed):
        await other.flushed()
    assert tunnels.client.stream_count == tunnels.exit.stream_count == 0


async def test_sessions_of_one_exit_send_in_turns() -> None:
    """The exit's rate is kept, and eight busy streams of one session get no more of it than one."""
    rate, size = 4e6, 640_000
    loop = asyncio.get_running_loop()
    turns = FairTurns(rate)
    many, one = Tunnels(turns=turns), Tunnels(turns=turns)
    got = {many: 0, one: 0}
    behind: list[int] = []
    """What the slower session had got when the faster one had everything."""

    async def download(session: Tunnels, size_of_all: int, size: int) -> None:
        near, far = await session.stream()
        async with asyncio.TaskGroup() as group:
            group.create_task(send_all(far, bytes(size)))
            while data := await near.read():
                got[session] += len(data)
                if got[session] == size_of_all and not behind:
                    behind.append(min(got.values()))

    for session in (many, one):
        await session.link()
    start_s = loop.time()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(download(many, size, size // 8))
        group.create_task(download(one, size, size))
    assert got == {many: size, one: size}
    assert behind[0] >= 0.75 * size
    assert loop.time() - start_s >= 0.8 * 2 * size / rate
    for session in (many, one):
        session.close()
    turns.close()


async def test_a_stream_waits_until_another_ends(tunnels: Tunnels) -> None:
    """Streams beyond the bound open in the order in which they were asked for, with their data."""
    await tunnels.link()
    opened = [await tunnels.stream() for _ in range(limits.STREAMS_PER_SESSION)]
    waiting = [tunnels.client.open("example.net", 1 + number) for number in range(3)]
    for stream in waiting:
        await stream.write(b"early")
    assert tunnels.client.stream_count == limits.STREAMS_PER_SESSION + 3
    waiting.pop(1).abort()
    async with asyncio.timeout(20):
        for number, (near, far) in enumerate(opened[:2]):
            near.abort()
            await far.broken()
            late, _, port = await tunnels.exit_owner.requested.get()
            assert port == 1 + 2 * number
            assert await late.read() == b"early"
            late.accept()
            await waiting[number].opened()
    assert tunnels.client.stream_count == limits.STREAMS_PER_SESSION
    assert not tunnels.client.ended
    assert not tunnels.exit.ended


async def test_a_stream_waits_for_a_bounded_time(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream whose turn never comes fails with the reason, and so do those that are too many."""
    monkeypatch.setattr(limits, "STREAM_TURN_S", 0.05)
    monkeypatch.setattr(limits, "STREAMS_WAITING", 2)
    for _ in range(limits.STREAMS_PER_SESSION):
        tunnels.client.open("example.net", 443)
    waiting = [tunnels.client.open("example.net", 443) for _ in range(2)]
    with pytest.raises(StreamFailed) as caught:
        tunnels.client.open("example.net", 443)
    assert caught.value.failure is Failure.LIMIT
    async with asyncio.timeout(20):
        for stream in waiting:
            assert await stream.broken() is Failure.LIMIT
    assert tunnels.client.stream_count == limits.STREAMS_PER_SESSION


async def test_streams_that_wait_end_with_their_session(tunnels: Tunnels) -> None:
    for _ in range(limits.STREAMS_PER_SESSION):
        tunnels.client.open("example.net", 443)
    waiting = tunnels.client.open("example.net", 443)
    tunnels.client.close()
    assert await waiting.broken() is Failure.SESSION_LOST
    assert tunnels.client.stream_count == 0


async def test_unread_stream_holds_no_more_than_its_window(tunnels: Tunnels) -> None:
    """Against a reader that does not read, the writer stops; another stream is not held up."""
    await tunnels.link()
    stalled, flooding = await tunnels.stream()
    near, far = await tunnels.stream()
    flood = asyncio.ensure_future(send_all(flooding, bytes(8 * limits.MIB)))
    send = asyncio.ensure_future(send_all(far, PAYLOAD))
    async with asyncio.timeout(20):
        assert await read_all(near) == PAYLOAD
    await send
    held = stalled.unread
    assert held == limits.STREAM_WINDOW_BYTES
    assert flooding.queued <= limits.STREAM_SEND_BYTES + 65536
    assert not flood.done()
    async with asyncio.timeout(20):
        assert len(await read_all(stalled)) == 8 * limits.MIB
    await flood


async def test_running_transfer_survives_the_loss_of_all_links(tunnels: Tunnels) -> None:
    """A link that comes within the grace time carries on where the lost ones stopped."""
    links = [await tunnels.link() for _ in range(2)]
    near, far = await tunnels.stream()
    send = asyncio.ensure_future(send_all(far, PAYLOAD))
    received = await near.read()
    for pair in links:
        for end in pair:
            end.cut()
    assert tunnels.client.ready_links == 0
    assert (await tunnels.client_owner.down.get()).code is LinkCode.TRANSPORT
    await tunnels.link()
    async with asyncio.timeout(20):
        received += await read_all(near)
        await send
    assert received == PAYLOAD


@pytest.mark.parametrize("seed", range(3))
async def test_hostile_links_lose_nothing_but_themselves(tunnels: Tunnels, seed: int) -> None:
    """Links whose relays alter bytes die one by one; an honest one brings everything."""
    dice = random.Random(seed)

    def altering(index: int, message: bytes) -> Iterable[bytes]:
        spoil = index > 10 and dice.random() < 0.1
        yield bytes([message[0] ^ 1]) + message[1:] if spoil else message

    for _ in range(3):
        await tunnels.link(altering, altering)
    near, far = await tunnels.stream()
    send = asyncio.ensure_future(send_all(far, PAYLOAD))
    receive = asyncio.ensure_future(read_all(near))
    async with asyncio.timeout(20):
        assert (await tunnels.client_owner.down.get()).code is LinkCode.TRANSPORT
        await tunnels.link()
        assert await receive == PAYLOAD
        await send
    assert not tunnels.client.ended


async def test_grace_ends_a_session_without_links() -> None:
    """A session that no link comes to is over after its grace, and so are its streams."""
    tunnels = Tunnels(grace_s=0.02)
    near_end, far_end = await tunnels.link()
    near, far = await tunnels.stream()
    near_end.cut()
    far_end.cut()
    async with asyncio.timeout(5):
        assert await tunnels.exit_owner.ended is LinkCode.TIMEOUT
        assert await tunnels.client_owner.ended is LinkCode.TIMEOUT
    for stream in (near, far):
        with pytest.raises(StreamFailed):
            await stream.read()
    with pytest.raises(StreamFailed):
        tunnels.client.open("example.net", 443)
    # Late calls of whoever still holds a stream change nothing.
    far.accept()
    far.refuse(Failure.INTERNAL)
    far.abort()


async def test_close_ends_the_session_at_both_ends(tunnels: Tunnels) -> None:
    """CLOSE with the session's scope ends it at once, without grace."""
    await tunnels.link()
    _, far = await tunnels.stream()
    tunnels.client.close()
    tunnels.client.close()
    assert tunnels.client.ended
    async with asyncio.timeout(5):
        assert await tunnels.exit_owner.ended is LinkCode.NORMAL
    with pytest.raises(StreamFailed):
        await far.read()


async def test_bytes_that_arrived_before_the_end_can_still_be_read(tunnels: Tunnels) -> None:
    """A session's end takes away only what had not arrived."""
    await tunnels.link()
    near, far = await tunnels.stream()
    await far.write(b"last words")
    await near._readable.wait()
    tunnels.exit.close()
    await tunnels.client_owner.ended
    assert await near.read() == b"last words"
    with pytest.raises(StreamFailed):
        await near.read()


@pytest.mark.parametrize("end", [False, True])
async def test_a_link_that_fails_while_all_are_told_does_not_keep_it_from_the_others(
    tunnels: Tunnels, end: bool
) -> None:
    """DRAIN and CLOSE go over every link, also when sending over one of them breaks it."""
    breaking = False

    def relay(_index: int, message: bytes) -> Iterable[bytes]:
        if breaking:
            far_end.cut()
        return (message,)

    _, far_end = await tunnels.link(down=relay)
    await tunnels.link()
    await tunnels.stream()
    breaking = True
    if end:
        tunnels.exit.close()
        async with asyncio.timeout(5):
            assert await tunnels.client_owner.ended is LinkCode.NORMAL
    else:
        tunnels.exit.drain()
        assert (await tunnels.exit_owner.down.get()).code is LinkCode.TRANSPORT
        assert tunnels.exit.link_count == 1
        async with asyncio.timeout(5):
            while not tunnels.client_owner.exit_leaves:  # noqa: ASYNC110  (nothing to wait for)
                await asyncio.sleep(0)


async def test_too_many_links_are_refused(tunnels: Tunnels) -> None:
    """One more link than a session may hold is closed; the others stay."""
    for _ in range(limits.LINKS_PER_SESSION + 1):
        await tunnels.link()
    near, far = await tunnels.stream()
    await far.write(b"still here")
    assert await near.read() == b"still here"
    assert tunnels.client.ready_links == limits.LINKS_PER_SESSION


async def test_draining_link_is_left_and_then_sent_away(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that announces its end and stays is not kept: such links would fill the session."""
    monkeypatch.setattr(linktable, "LEAVING_S", 0.02)
    near_end, _ = await tunnels.link()
    await tunnels.stream()
    for _ in range(3):
        near_end.say(encode(RelayDrain()))
    async with asyncio.timeout(5):
        error = await tunnels.client_owner.down.get()
    assert error.code is LinkCode.TIMEOUT
    assert tunnels.client_owner.leaving == [0]
    assert near_end.closed is LinkCode.TIMEOUT


async def test_cancelled_read_loses_nothing(tunnels: Tunnels) -> None:
    """A reader that gave up reads on later."""
    await tunnels.link()
    near, far = await tunnels.stream()
    waiting = asyncio.ensure_future(near.read())
    await asyncio.sleep(0)
    waiting.cancel()
    await far.write(b"kept")
    assert await near.read() == b"kept"


async def test_a_transport_that_knows_its_path_paces_the_far_end(tunnels: Tunnels) -> None:
    """As soon as it knows better, whether or not anything arrives."""
    near, far = await tunnels.link()
    await tunnels.stream()
    near.known = Windows(send=70_000, receive=90_000)
    before = len(near.messages)
    receiver = near._receiver
    assert receiver is not None
    receiver.windows_changed()
    async with asyncio.timeout(5):
        while tunnels.exit._session.estimator(0).window_bytes != 90_000:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert tunnels.client._session.estimator(0).window_bytes == 70_000
    assert len(near.messages) == before + 1
    assert far.known is None
