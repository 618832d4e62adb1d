import asyncio
import gc
import logging

import pytest

from passerelle.errors import LocalError
from passerelle.io.tasks import AllFailed, TaskSet, describe, race, staggered


async def forever() -> None:
    await asyncio.Event().wait()


async def fail(error: Exception) -> None:
    raise error


async def test_a_failure_is_logged_once_with_the_tasks_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with TaskSet("exit") as tasks:
        task = tasks.start(fail(LocalError("the disk is full")), "writer")
        with pytest.raises(LocalError):
            await task
        assert len(tasks) == 0
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "exit/writer" in record.getMessage()
    assert "the disk is full" in record.getMessage()


async def test_the_words_of_foreign_errors_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The system's errors quote addresses."""
    async with TaskSet("exit") as tasks:
        task = tasks.start(fail(OSError("connect to 192.0.2.7 failed")), "dial")
        await asyncio.wait([task])
    assert "192.0.2.7" not in caplog.text
    assert "OSError" in caplog.text
    assert "test_tasks.py" in caplog.text, "where it happened is kept"


async def test_closing_cancels_and_awaits_all(caplog: pytest.LogCaptureFixture) -> None:
    ended = []

    async def slow_to_end(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    tasks = TaskSet("owner")
    for name in "ab":
        tasks.spawn(slow_to_end(name), name)
    await asyncio.sleep(0)
    await tasks.close()
    await tasks.close()
    assert sorted(ended) == ["a", "b"]
    assert len(tasks) == 0
    assert not caplog.records, "being cancelled is no failure"


async def test_a_closed_set_takes_no_more() -> None:
    tasks = TaskSet("owner")
    await tasks.close()
    with pytest.raises(RuntimeError, match="closed"):
        tasks.spawn(forever(), "late")


async def test_a_limit_holds() -> None:
    async with TaskSet("owner", limit=1) as tasks:
        assert not tasks.full
        task = tasks.start(forever(), "first")
        assert tasks.full
        with pytest.raises(RuntimeError, match="full"):
            tasks.spawn(forever(), "second")
        task.cancel()
        await asyncio.wait([task])
        tasks.spawn(forever(), "third")


async def test_a_task_may_close_its_own_set() -> None:
    tasks = TaskSet("owner")
    other = tasks.start(forever(), "other")
    await tasks.start(tasks.close(), "closer")
    assert other.cancelled()


async def test_race_gives_the_works_result() -> None:
    async def work() -> int:
        return 7

    assert await race(work(), until=forever()) == 7


async def test_race_ends_the_work_when_it_is_late() -> None:
    ended = asyncio.Event()

    async def work() -> int:
        try:
            await forever()
        finally:
            ended.set()
        return 7

    async def soon() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    assert await race(work(), until=soon()) is None
    assert ended.is_set()


async def test_race_raises_what_either_raises() -> None:
    with pytest.raises(LocalError):
        await race(fail(LocalError("x")), until=forever())
    with pytest.raises(LocalError):
        await race(forever(), until=fail(LocalError("x")))


async def test_cancelling_a_race_cancels_both() -> None:
    before = asyncio.all_tasks()
    async with TaskSet("owner") as tasks:
        tasks.spawn(race(forever(), until=forever()), "race")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == len(before) + 3
    assert asyncio.all_tasks() == before


async def test_the_loser_of_a_race_that_failed_is_not_reported_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two failures in one turn, or a failure as the race is cancelled: one error, no noise."""
    with pytest.raises(LocalError):
        await race(fail(LocalError("x")), until=fail(LocalError("y")))
    racing = asyncio.ensure_future(race(fail(LocalError("x")), until=forever()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    racing.cancel()
    with pytest.raises((asyncio.CancelledError, LocalError)):
        await racing
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_describe_survives_an_error_that_was_never_raised() -> None:
    assert describe(ValueError("secret")) == "ValueError"


# --- staggered ------------------------------------------------------------------------------------


class Attempts:
    """Attempts that end as a test wants; `began` says which were started, in order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.cancelled: list[str] = []

    async def make(self, name: str, ends: asyncio.Event | None, error: str | None = None) -> str:
        self.began.append(name)
        try:
            await (ends or asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if error:
            raise LocalError(error)
        return name


def now() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_first_success_wins_and_the_others_end() -> None:
    """Nobody is started after it."""
    made = Attempts()
    won = await staggered(
        [(made.make("a", None), 0.0), (made.make("b", now()), 9.0), (made.make("c", now()), 9.0)]
    )
    assert won == "b"
    assert made.began == ["a", "b"]
    assert made.cancelled == ["a"]


async def test_a_failure_starts_the_next_at_once() -> None:
    """However long its delay is."""
    made = Attempts()
    async with asyncio.timeout(5):
        won = await staggered([(made.make("a", now(), "no"), 60.0), (made.make("b", now()), 60.0)])
    assert won == "b"


async def test_all_failures_are_told_in_order() -> None:
    made = Attempts()
    with pytest.raises(AllFailed) as caught:
        await staggered([(made.make("a", now(), "one"), 9.0), (made.make("b", now(), "two"), 9.0)])
    assert [str(error) for error in caught.value.errors] == ["one", "two"]
    with pytest.raises(AllFailed) as caught:
        await staggered([])
    assert caught.value.errors == ()


async def test_a_fault_of_our_own_is_raised() -> None:
    """It is no attempt's failure, and ends the others."""

    async def broken() -> str:
        raise ZeroDivisionError

    made = Attempts()
    with pytest.raises(ZeroDivisionError):
        await staggered([(made.make("a", None), 0.0), (broken(), 9.0), (made.make("c", None), 9.0)])
    assert made.cancelled == ["a"]


async def test_cancelling_a_race_cancels_its_attempts() -> None:
    made = Attempts()
    async with TaskSet("test") as tasks:
        task = tasks.start(
            staggered([(made.make("a", None), 0.0), (made.make("b", None), 9.0)]), "x"
        )
        while len(made.began) < 2:  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sorted(made.cancelled) == ["a", "b"]


async def test_race_leaves_the_late_one_to_its_cleaning_up() -> None:
    """Cancelling the race while the loser cleans up does not break that off."""
    cleaning, cleaned = asyncio.Event(), asyncio.Event()
    release = asyncio.Event()

    async def loser() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await release.wait()
            cleaned.set()

    async def winner() -> None:
        await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(race(loser(), until=winner()))
    async with asyncio.timeout(5):
        await cleaning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await cleaned.wait()
