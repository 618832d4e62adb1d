import asyncio
from collections.abc import Callable

from passerelle.broker.waiting import WaitingQueue
from passerelle.core.matching.peers import ClientProfile
from passerelle.core.matching.pool import Pick
from passerelle.io.tasks import TaskSet
from tests.broker.parties import config

CLIENT = ClientProfile()
PICK = Pick(b"volunteer", 1.0, CLIENT, newly_disclosed=False, declared=0)


def queue_of(picks: list[Pick], put_back: Callable[[Pick], None]) -> WaitingQueue:
    """A queue that is served from `picks`."""

    def pick(_client: ClientProfile, _avoid: set[bytes], _only: bytes | None) -> Pick | None:
        return picks.pop() if picks else None

    return WaitingQueue(config(), pick=pick, put_back=put_back)


def soon() -> float:
    return asyncio.get_running_loop().time() + 60


async def test_an_offer_whose_time_has_just_ended_is_passed_over() -> None:
    """Its future is cancelled in one turn of the event loop, and its task runs in the next."""
    put_back: list[Pick] = []
    queue = queue_of([PICK], put_back.append)
    async with TaskSet("test") as tasks, asyncio.timeout(5):
        late = tasks.start(queue.wait(CLIENT, set(), None, deadline=0), "late")
        patient = tasks.start(queue.wait(CLIENT, set(), None, soon()), "patient")
        await asyncio.sleep(0)  # both wait, and the first one's timer is due
        await asyncio.sleep(0)  # the timer has cancelled the future
        queue.serve()
        assert await late is None
        assert await patient is PICK
    assert put_back == []
    assert len(queue) == 0


async def test_a_pick_is_put_back_when_its_offer_gives_up_in_the_same_turn() -> None:
    put_back: list[Pick] = []
    queue = queue_of([PICK], put_back.append)
    async with TaskSet("test") as tasks, asyncio.timeout(5):
        waiting = tasks.start(queue.wait(CLIENT, set(), None, soon()), "waiting")
        await asyncio.sleep(0)
        queue.serve()
        waiting.cancel()
        await asyncio.wait({waiting})
    assert put_back == [PICK]
    assert waiting.cancelled()


async def test_whoever_is_picked_counts_as_asked() -> None:
    put_back: list[Pick] = []
    queue = queue_of([PICK], put_back.append)
    asked = {b"another"}
    async with TaskSet("test") as tasks, asyncio.timeout(5):
        waiting = tasks.start(queue.wait(CLIENT, asked, None, soon()), "waiting")
        await asyncio.sleep(0)
        queue.serve()
        assert asked == {b"another", b"volunteer"}
        assert await waiting is PICK
