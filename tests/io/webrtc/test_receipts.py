from __future__ import annotations

import asyncio

from passerelle.core.media.video import Order
from passerelle.io.webrtc.receipts import GOT_BYTES, Receipts
from passerelle.wire import control


def received(order: Order, count: int) -> None:
    for _ in range(count):
        order.add(order.next, b"message", 0.0)


async def test_many_bytes_are_told_at_once_and_few_a_little_later() -> None:
    said: asyncio.Queue[control.Control] = asyncio.Queue()
    order = Order()
    receipts = Receipts(order, said.put_nowait)
    received(order, 2)
    receipts.count([b"a"])
    assert said.empty()
    async with asyncio.timeout(5):
        assert await said.get() == control.Got(2)
    received(order, 3)
    receipts.count([bytes(GOT_BYTES - 1)])
    receipts.count([b"a"])
    assert said.get_nowait() == control.Got(5)


async def test_after_the_end_nothing_is_told() -> None:
    said: list[control.Control] = []
    receipts = Receipts(Order(), said.append)
    receipts.count([b"a"])
    receipts.close()
    receipts.count([bytes(GOT_BYTES)])
    assert said == []
