"""Datagrams over a stream of a tunnel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from passerelle import limits
from passerelle.errors import Failure, LinkCode, PeerError, StreamFailed
from passerelle.io.tunnel.flow import Flow
from tests.io.tunnel.pipes import Tunnels, send_all


@pytest.fixture
async def tunnels() -> AsyncIterator[Tunnels]:
    made = Tunnels()
    yield made
    made.close()


async def test_datagrams_keep_their_boundaries(tunnels: Tunnels) -> None:
    """Both ways, in order, the empty one included, until the end."""
    await tunnels.link()
    near_stream, far_stream = await tunnels.flow()
    near, far = Flow(near_stream), Flow(far_stream)
    sent = [b"", b"one", bytes(limits.DATAGRAM_BYTES - 100), b"two"]
    got: list[bytes] = []
    for payload in sent:
        assert near.send(payload)
        got += await far.receive()
    assert got == sent
    assert far.send(b"answer")
    assert await near.receive() == [b"answer"]
    near_stream.write_end()
    assert await far.receive() == []
    assert not near.send(b"after the end")


async def test_what_does_not_fit_is_dropped_whole(tunnels: Tunnels) -> None:
    """Without a link the queue fills to its limit; what was taken arrives unharmed."""
    ends = await tunnels.link()
    near_stream, far_stream = await tunnels.flow()
    near, far = Flow(near_stream), Flow(far_stream)
    for end in ends:
        end.cut()
    await tunnels.client_owner.down.get()
    taken = [number for number in range(400) if near.send(number.to_bytes(2, "big") * 500)]
    assert taken == list(range(limits.FLOW_QUEUE_BYTES // 1004))
    assert near_stream.queued <= limits.FLOW_QUEUE_BYTES
    await tunnels.link()
    got: list[bytes] = []
    async with asyncio.timeout(5):
        while len(got) < len(taken):
            got += await far.receive()
    assert got == [number.to_bytes(2, "big") * 500 for number in taken]


async def test_behind_what_has_waited_too_long_nothing_is_queued(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a link a short queue is enough to stop; once it moves, datagrams are taken again."""
    monkeypatch.setattr(limits, "FLOW_QUEUE_S", 0.05)
    ends = await tunnels.link()
    near_stream, far_stream = await tunnels.flow()
    near, far = Flow(near_stream), Flow(far_stream)
    for end in ends:
        end.cut()
    await tunnels.client_owner.down.get()
    taken = 0
    async with asyncio.timeout(5):
        while near.send(b"one"):
            taken += 1
            await asyncio.sleep(0.001)
    assert near_stream.queued < 10_000
    assert len(near._marks) < 20
    await tunnels.link()
    async with asyncio.timeout(5):
        while taken:
            taken -= len(await far.receive())
        while not near.send(b"two"):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert await far.receive() == [b"two"]


async def test_a_datagram_waits_for_one_turn_of_each_stream(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind bulk streams with full queues it goes out after one turn of each, not after all."""
    ends = await tunnels.link()
    bulk = [await tunnels.stream() for _ in range(4)]
    near_stream, far_stream = await tunnels.flow()
    for end in ends:
        end.cut()
    await tunnels.client_owner.down.get()
    sending = [asyncio.ensure_future(send_all(far, bytes(limits.MIB))) for _, far in bulk]
    while not all(far.queued > limits.STREAM_SEND_BYTES for _, far in bulk):  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert Flow(far_stream).send(b"now")
    before: list[int] = []
    feed = near_stream.feed

    def arrive(data: bytes, size: int) -> None:
        before.append(sum(near.unread for near, _ in bulk))
        feed(data, size)

    monkeypatch.setattr(near_stream, "feed", arrive)
    await tunnels.link()
    try:
        async with asyncio.timeout(10):
            assert await Flow(near_stream).receive() == [b"now"]
    finally:
        for work in sending:
            work.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    assert 0 < before[0] <= len(bulk) * limits.STREAM_CHUNK_BYTES + limits.UNSENT_BYTES


async def test_malformed_capsules_are_a_fault_of_the_peer(tunnels: Tunnels) -> None:
    """PeerError; aborting tells the far side, and ends its waiting."""
    await tunnels.link()
    near_stream, far_stream = await tunnels.flow()
    await near_stream.write(b"\0\0")
    far = Flow(far_stream)
    with pytest.raises(PeerError) as caught:
        await far.receive()
    assert caught.value.code is LinkCode.MALFORMED
    far.abort()
    far.abort()
    near = Flow(near_stream)
    with pytest.raises(StreamFailed):
        await near.receive()
    assert not near.send(b"late")


async def test_idle_counts_from_the_last_use(tunnels: Tunnels) -> None:
    """Sending does not count by itself: who holds the flow says what use is."""
    await tunnels.link()
    near_stream, _ = await tunnels.flow()
    flow = Flow(near_stream)
    loop = asyncio.get_running_loop()
    start = loop.time()
    waiting = asyncio.ensure_future(flow.idle(0.05))
    await asyncio.sleep(0.02)
    flow.touch()
    flow.send(b"x")
    async with asyncio.timeout(5):
        await waiting
    assert loop.time() - start >= 0.07


# --- the tunnel's part --------------------------------------------------------------------------


async def test_the_exits_offer_is_waited_for() -> None:
    """Known once the exit's settings have come; not offered is NO_DATAGRAMS."""
    for offered in (True, False):
        tunnels = Tunnels(flows=offered)
        waiting = asyncio.ensure_future(tunnels.client.offers_flows())
        await asyncio.sleep(0)
        assert not waiting.done()
        await tunnels.link()
        async with asyncio.timeout(5):
            assert await waiting is offered
        if not offered:
            with pytest.raises(StreamFailed) as caught:
                tunnels.client.open_flow("example.net", 53)
            assert caught.value.failure is Failure.NO_DATAGRAMS
        tunnels.close()


async def test_the_end_of_the_session_ends_the_waiting() -> None:
    """SESSION_LOST, then and later."""
    tunnels = Tunnels()
    waiting = asyncio.ensure_future(tunnels.client.offers_flows())
    await asyncio.sleep(0)
    tunnels.close()
    with pytest.raises(StreamFailed) as caught:
        await waiting
    assert caught.value.failure is Failure.SESSION_LOST
    with pytest.raises(StreamFailed) as caught:
        tunnels.client.open_flow("example.net", 53)
    assert caught.value.failure is Failure.SESSION_LOST
