from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from passerelle.exit.gateway.settings import GatewaySettings
from tests.exit.gateway.scene import Scene, scene, until
from tests.rig.pagereader import Answer, PageReader

SHARED = "?Cache-Control=max-age%3D60"


async def crowd(stack: AsyncExitStack, made: Scene, count: int) -> list[PageReader]:
    """Return readers, each on a link and with a ticket of its own."""
    return [await stack.enter_async_context(made.reader()) for _ in range(count)]


async def all_ask(readers: list[PageReader], url: str, *fields: tuple[str, str]) -> list[Answer]:
    return await asyncio.gather(*(reader.ask("GET", url, fields) for reader in readers))


@pytest.mark.parametrize("path", ["/story", "/late", "/bytes"])
async def test_readers_of_one_story_cost_the_site_one_request(path: str) -> None:
    """All get the same answer, those who ask while it is on its way and those who ask later."""
    async with scene() as made, AsyncExitStack() as stack:
        readers = await crowd(stack, made, 30)
        made.publisher.gate.set()
        url = f"{made.site}{path}{SHARED}&n=300000"
        first = await all_ask(readers, url)
        later = await all_ask(readers, url)
        assert {answer.content for answer in (*first, *later)} == {first[0].content}
        assert made.publisher.count(path) == 1
        assert all("age" in answer.fields for answer in later)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "?Cache-Control=private,max-age%3D60",
        "?Cache-Control=no-store",
        "?Cache-Control=no-cache,max-age%3D60",
        "?Cache-Control=max-age%3D60&Set-Cookie=a%3Db",
        "?Cache-Control=max-age%3D60&Vary=*",
        "?Cache-Control=max-age%3D0",
    ],
)
async def test_what_the_site_does_not_share_is_not_shared(said: str) -> None:
    """Each reader's answer is its own, also when all ask at once."""
    async with scene() as made, AsyncExitStack() as stack:
        readers = await crowd(stack, made, 8)
        answers = await all_ask(readers, f"{made.site}/story{said}")
        assert len({answer.content for answer in answers}) == 8
        assert made.publisher.count("/story") == 8


async def test_what_is_for_one_person_is_not_for_others() -> None:
    """Neither a log-in nor cookies get an answer that others get, nor have others get theirs."""
    async with scene() as made, made.reader() as reader, made.reader() as other:
        url = f"{made.site}/story{SHARED}"
        for name, value in (
            ("authorization", "Basic x"),
            ("cookie", "a=b"),
            ("range", "bytes=0-3"),
        ):
            before = made.publisher.count("/story")
            for each in (reader, other):
                assert "age" not in (await each.ask("GET", url, [(name, value)])).fields
            assert made.publisher.count("/story") == before + 2


async def test_answers_in_other_languages_are_other_answers() -> None:
    """`Vary` is obeyed, for answers that are kept and for those on their way."""
    async with scene() as made, AsyncExitStack() as stack:
        readers = await crowd(stack, made, 6)
        url = f"{made.site}/late{SHARED}&Vary=Accept-Language"
        languages = ["fr", "fa", "fr", "fa", "fr", "fa"]
        asking = [
            await reader.begin(reader.seal("GET", url, [("accept-language", language)]))
            for reader, language in zip(readers, languages, strict=True)
        ]
        await until(lambda: made.publisher.count("/late"))
        made.publisher.gate.set()
        answers = [await reader.finish(each) for reader, each in zip(readers, asking, strict=True)]
        french = {answer.content for answer in answers[::2]}
        assert not french & {answer.content for answer in answers[1::2]}
        asked = made.publisher.count("/late")
        again = await readers[0].ask("GET", url, [("accept-language", "fr")])
        assert again.content in french
        assert made.publisher.count("/late") == asked


async def test_a_change_makes_what_is_kept_old() -> None:
    """After a comment the story is asked for again."""
    async with scene() as made, made.reader() as reader:
        url = f"{made.site}/story{SHARED}"
        first = await reader.ask("GET", url)
        assert (await reader.ask("POST", url, content=b"a comment")).status == 200
        assert (await reader.ask("GET", url)).content != first.content


async def test_a_reader_who_leaves_takes_the_answer_from_nobody() -> None:
    """Whoever asked first may go; the others get the story, at the cost of one more request."""
    async with scene() as made, made.reader() as other:
        url = f"{made.site}/late{SHARED}"
        async with made.reader() as first:
            await first.begin(first.seal("GET", url))
            await until(lambda: made.publisher.count("/late"))
            waiting = await other.begin(other.seal("GET", url))
        made.publisher.gate.set()
        assert (await other.finish(waiting)).status == 200
        assert made.publisher.count("/late") <= 2


async def test_a_long_answer_belongs_to_one() -> None:
    """What is too long to keep is the first reader's alone; others ask again, for themselves."""
    settings = GatewaySettings(cached_bytes=50_000, cache_bytes=200_000, plain_http=True)
    async with scene(gateway=settings) as made, AsyncExitStack() as stack:
        readers = await crowd(stack, made, 3)
        url = f"{made.site}/bytes{SHARED}&n=300000"
        answers = await all_ask(readers, url)
        assert [len(answer.content) for answer in answers] == [300_000] * 3
        assert made.publisher.count("/bytes") == 3


async def test_a_slow_reader_holds_up_nobody() -> None:
    """A story is read at the site's pace, and one who takes nothing gets it all the same later."""
    async with scene() as made, made.reader(generous=False) as slow, made.reader() as quick:
        url = f"{made.site}/bytes{SHARED}&n=1000000"
        begun = await slow.begin(slow.seal("GET", url))
        await until(lambda: begun.received_bytes > 200_000)
        assert len((await quick.ask("GET", url)).content) == 1_000_000
        assert made.publisher.count("/bytes") == 1
        await slow.credit(0, 2_000_000)
        await slow.credit(begun.id, 2_000_000)
        assert len((await slow.finish(begun)).content) == 1_000_000


async def test_memory_has_a_bound() -> None:
    """The answers used longest ago give way."""
    settings = GatewaySettings(cached_bytes=50_000, cache_bytes=200_000, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        for n in range(1, 12):
            await reader.ask("GET", f"{made.site}/bytes{SHARED}&n={40_000 + n}")
        before = made.publisher.count("/bytes")
        await reader.ask("GET", f"{made.site}/bytes{SHARED}&n=40011")
        assert made.publisher.count("/bytes") == before
        await reader.ask("GET", f"{made.site}/bytes{SHARED}&n=40001")
        assert made.publisher.count("/bytes") == before + 1


async def test_a_site_that_is_down_is_asked_once_for_all() -> None:
    """Everybody who waits is told, and nobody waits one after the other."""
    settings = GatewaySettings(site_s=0.5, plain_http=True)
    async with scene(gateway=settings) as made, AsyncExitStack() as stack:
        readers = await crowd(stack, made, 10)
        answers = await all_ask(readers, f"{made.site}/late{SHARED}")
        assert {answer.refusal for answer in answers} == {"timeout"}
        assert made.publisher.count("/late") <= 2
