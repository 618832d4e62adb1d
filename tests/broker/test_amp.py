from __future__ import annotations

import pytest

from passerelle import limits
from passerelle.io.tasks import TaskSet
from passerelle.wire import amp, base64url, rendezvous
from passerelle.wire.rendezvous import Answer
from tests.broker.parties import Scene, config, new_request, scene, seal


async def get(here: Scene, path: str) -> tuple[int, bytes, dict[str, str]]:
    async with here.http.get(here.url + path, allow_redirects=False) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_request_in_the_path_gets_its_reply_on_a_page() -> None:
    """The offer goes to a volunteer; the page may be kept for no longer than caches insist on."""
    async with scene() as here, TaskSet("test") as tasks:
        volunteer = await here.volunteer()
        request, key = new_request()
        path = "/v1/amp/rendezvous/" + base64url.encode(seal(request))
        task = tasks.start(get(here, path), "get")
        given = await volunteer.answer()
        status, page, headers = await task
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "public, max-age=15"
    reply = rendezvous.open_reply(amp.message(page), key, request)
    (answer,) = reply.answers
    assert isinstance(answer, Answer)
    assert answer.description == given
    assert base64url.encode(seal(request))[:40] not in page.decode(), "the page repeats no request"


async def test_the_descriptor_on_a_page() -> None:
    async with scene() as here:
        here.broker.publish(b"another document")
        status, page, headers = await get(here, "/v1/amp/network")
    assert (status, amp.message(page)) == (200, b"another document")
    assert headers["Cache-Control"] == f"public, max-age={config().document_age_s}"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "A=",
        "%00",
        base64url.encode(bytes(1072)),
        base64url.encode(bytes(limits.TEXT_SEALED_BYTES + 1)),
    ],
)
async def test_whatever_cannot_be_used_gets_the_same_response(text: str) -> None:
    """So does a replay: a prober learns nothing."""
    async with scene() as here:
        request, _ = new_request()
        path = "/v1/amp/rendezvous/" + base64url.encode(seal(request))
        assert (await get(here, path))[0] == 200
        replayed = await get(here, path)
        bad = await get(here, "/v1/amp/rendezvous/" + text)
    assert bad[:2] == replayed[:2] == (400, b"")
    for _, _, headers in (bad, replayed):
        headers.pop("Date")
    assert bad[2] == replayed[2]
