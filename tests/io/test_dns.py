from __future__ import annotations

import asyncio
import threading
from ipaddress import ip_address

import pytest

from passerelle.core.host import IPAddress
from passerelle.errors import Failure, StreamFailed
from passerelle.io.dns import Resolver
from passerelle.limits import DNS_LOOKUPS, DNS_WAITING


async def test_name_from_the_system() -> None:
    """The system's names resolve, each address once."""
    resolver = Resolver()
    addresses = await resolver("localhost")
    resolver.close()
    assert set(addresses) <= {ip_address("127.0.0.1"), ip_address("::1")}
    assert len(set(addresses)) == len(addresses) > 0


@pytest.mark.parametrize("name", ["nothing.invalid.", "a" * 64 + ".localhost", "a..localhost"])
async def test_no_such_name(name: str) -> None:
    """A name without addresses, or that is none, fails as DNS."""
    resolver = Resolver()
    with pytest.raises(StreamFailed) as caught:
        await resolver(name)
    resolver.close()
    assert caught.value.failure is Failure.DNS


async def test_lookups_are_bounded_and_places_come_back() -> None:
    """Lookups beyond the bound are refused, and both cancelled and finished ones make room."""
    answers = threading.Event()

    def lookup(name: str) -> list[IPAddress]:
        answers.wait()
        return [ip_address("127.0.0.1")]

    resolver = Resolver(lookup)
    async with asyncio.TaskGroup() as group:
        lookups = [group.create_task(resolver("site.example")) for _ in range(DNS_WAITING)]
        await asyncio.wait([group.create_task(refused(resolver))])
        for cancelled in lookups[-2:]:
            cancelled.cancel()
        await asyncio.wait(lookups[-2:])
        lookups.append(group.create_task(resolver("site.example")))
        # Those under way keep their place when cancelled: their threads are still busy.
        for cancelled in lookups[:DNS_LOOKUPS]:
            cancelled.cancel()
        await asyncio.wait(lookups[:DNS_LOOKUPS])
        lookups.append(group.create_task(resolver("site.example")))
        await asyncio.wait([group.create_task(refused(resolver))])
        answers.set()
    assert await resolver("site.example") == [ip_address("127.0.0.1")]
    resolver.close()


async def test_close() -> None:
    """Closing cancels what waits, and may be repeated."""
    started, answers = threading.Event(), threading.Event()

    def lookup(name: str) -> list[IPAddress]:
        started.set()
        answers.wait()
        return []

    resolver = Resolver(lookup)
    async with asyncio.TaskGroup() as group:
        lookups = [group.create_task(resolver("site.example")) for _ in range(DNS_LOOKUPS + 1)]
        await asyncio.to_thread(started.wait)
        resolver.close()
        resolver.close()
        await asyncio.wait([lookups[-1]])
        answers.set()
    assert lookups[-1].cancelled()
    assert lookups[0].result() == []


async def refused(resolver: Resolver) -> None:
    with pytest.raises(StreamFailed) as caught:
        await resolver("site.example")
    assert caught.value.failure is Failure.LIMIT
