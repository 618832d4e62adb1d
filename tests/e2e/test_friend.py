"""A link is made by two texts carried by hand: the client can reach no server."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from playwright.async_api import Page

from tests.rig import axe
from tests.rig.curl import Proxy, fetch
from tests.rig.firefox import Firefox
from tests.rig.firefox import flip as firefox_flip
from tests.rig.pictures import take_picture
from tests.rig.ports import free_port
from tests.rig.program import Program, client
from tests.rig.site import PAGE, Site
from tests.rig.volunteer import Chromium, flip
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PICTURES: Final = Path(__file__).resolve().parents[2] / ".artefacts" / "friend"
STATUS: Final = "document.getElementById('status').textContent"
ASK = re.compile(r"passerelle-ask1: [a-z2-7\s]+\.")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("friend") / "network.json"


@asynccontextmanager
async def friend_page(way: Way, chrome: Chromium) -> AsyncIterator[Page]:
    """Yield the broker's page with its switch on; breaking the page's policy fails the test."""
    page = await chrome.open(way.invite.partition("#")[0] + "friend")
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        await flip(page)
        yield page
        assert not faults
    finally:
        await page.context.close()


@asynccontextmanager
async def reader(way: Way, network: Path, *more: str) -> AsyncIterator[tuple[Program, int]]:
    """Run the reader's client, with the network's descriptor from a file."""
    async with aiohttp.ClientSession() as http:
        base = way.invite.partition("/#")[0]
        async with http.get(f"{base}/v1/network") as response:
            network.write_bytes(await response.read())
    port = free_port()
    words = ("friend", "--invite", way.invite, "--network", str(network))
    listen = ("--listen", f"127.0.0.1:{port}", "--state", str(network.parent / "state.json"))
    async with Program(sys.executable, "-m", "passerelle", *words, *listen, *more) as program:
        yield program, port


async def answer(page: Page, text: str) -> str:
    """Paste a text into the friend's page, and return the answer."""
    await page.get_by_label("Paste your friend’s text").fill(text)
    await page.get_by_role("button", name="Make the answer").click()
    await page.get_by_text("Done: the answer is below.").wait_for()
    return str(await page.get_by_label("Send this answer back").input_value())


async def refused(page: Page, text: str) -> str:
    """Paste a text that cannot be used, and return what the page says."""
    await page.get_by_label("Paste your friend’s text").fill(text)
    await page.get_by_role("button", name="Make the answer").click()
    status = page.locator("span#status")  # the switch has a live region of its own
    await page.wait_for_function(
        "() => !['', 'Working…'].includes(document.getElementById('status').textContent)"
    )
    assert await page.get_by_label("Send this answer back").input_value() == ""
    return await status.inner_text()


def asked(program: Program, at: int = 0) -> str:
    """Return the texts that the program has shown so far, by number."""
    return str(ASK.findall("\n".join(program.lines))[at])


async def test_a_friend_is_the_bridge(
    way: Way, chrome: Chromium, site: Site, network: Path, tmp_path: Path
) -> None:
    """After one text each way a page arrives, under the friend page's strict policy."""
    async with friend_page(way, chrome) as page, reader(way, network) as (program, port):
        await program.expect("Paste your friend's answer here")
        text = await answer(page, f"Hi! Can you help me?\n{asked(program)}\n")
        await program.type(f"Here:\n{text}\n")
        await program.expect("Connected through a volunteer")
        url = f"http://127.0.0.1:{site.port}/"
        got = await fetch(Proxy.SOCKS, port, tmp_path / "page", url)
        assert (got.code, got.status) == (0, 200), got.text
        assert got.body.decode() == PAGE
        again = await refused(page, asked(program))
        assert "it was used before" in again


async def scanned(picture: Path) -> str:
    """Return the text of the QR picture in a file, as Debian's zbar reads it."""
    program = await asyncio.create_subprocess_exec(
        *("zbarimg", "--quiet", "--raw", str(picture)), stdout=asyncio.subprocess.PIPE
    )
    text, _ = await program.communicate()
    assert program.returncode == 0
    return text.decode()


async def test_an_answer_is_shown_as_a_picture_too(
    way: Way, chrome: Chromium, network: Path
) -> None:
    """Its drawing is fetched when asked for; whoever scans it has a text that connects."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with friend_page(way, chrome) as page, reader(way, network) as (program, _):
        drawing: list[str] = []
        page.on("request", lambda request: drawing.append(request.url))
        await program.expect("Paste your friend's answer here")
        await answer(page, asked(program))
        assert not [url for url in drawing if "/w/qr." in url]
        await page.get_by_role("button", name="Show as a QR picture").click()
        picture = page.get_by_role("img", name="Scan this picture")
        await picture.screenshot(path=PICTURES / "code.png")
        assert [url for url in drawing if "/w/qr." in url]
        assert await axe.violations(page) == []
        await take_picture(page, PICTURES / "page.png", full_page=True)
        await program.type(await scanned(PICTURES / "code.png") + "\n")
        await program.expect("Connected through a volunteer")
        reply = page.get_by_label("Send this answer back")
        await reply.evaluate("(field) => { field.value = 'a'.repeat(4297); }")
        await page.get_by_role("button", name="Show as a QR picture").click()
        await page.get_by_text("too long for a QR picture").wait_for()
        assert not await picture.is_visible()


async def test_firefox_draws_the_picture_too(way: Way, network: Path, tmp_path: Path) -> None:
    """Whoever scans the friend's screen has a text that connects through that Firefox."""
    async with Firefox() as firefox, reader(way, network) as (program, _):
        await program.expect("Paste your friend's answer here")
        page = await firefox.open(way.invite.partition("#")[0] + "friend")
        await firefox_flip(page)
        ask = json.dumps(asked(program))
        await page.evaluate(f"void (document.getElementById('ask').value = {ask})")
        await page.click('role=button[name="Make the answer"]')
        await page.wait_for_function(f"() => {STATUS} === 'Done: the answer is below.'")
        await page.click('role=button[name="Show as a QR picture"]')
        await page.wait_for_function("() => !document.getElementById('shown').hidden")
        await page.screenshot(tmp_path / "page.png", full_page=True)
        await program.type(await scanned(tmp_path / "page.png") + "\n")
        await program.expect("Connected through a volunteer")
        assert not [line for line in page.console if line.startswith("error")]


async def test_only_people_with_the_link_are_helped(way: Way, chrome: Chromium) -> None:
    """The link is made in the switch's settings; without it a reader finds nobody."""
    async with friend_page(way, chrome) as page:
        await page.get_by_role("button", name="Limits and language").click()
        await page.get_by_label("Only people with my link").check()
        link = page.get_by_label("My link, for people I know")
        first = await link.input_value()
        assert first.startswith(f"{way.invite.partition('&')[0]}&family=")
        assert await axe.violations(page) == []
        PICTURES.mkdir(parents=True, exist_ok=True)
        await take_picture(page, PICTURES / "link.png", full_page=True)
        async with client(first, free_port(), "-v") as program:
            await program.expect("One of the volunteers is the friend whose link you use")
            await program.expect("Connected through a volunteer")
        async with way.client() as (program, _):
            await program.expect("No volunteer is available")
            # Whoever wants to help everybody withdraws the link.
            await page.get_by_label("Only people with my link").uncheck()
            await program.expect("Connected through a volunteer")
        await page.get_by_label("Only people with my link").check()
        assert await link.input_value() != first


async def test_what_is_pasted_wrong_is_told(
    way: Way, chrome: Chromium, network: Path, tmp_path: Path
) -> None:
    """Both ends say what is wrong with a wrong text and what to do, and then still work."""
    async with friend_page(way, chrome) as page, reader(way, network) as (program, _):
        await program.expect("Paste your friend's answer here")
        ask = asked(program)
        assert "not the whole text" in await refused(page, "hello")
        assert "not the whole text" in await refused(page, ask[:200])
        assert "not the whole text" in await refused(page, ask.replace("a", "b"))
        await program.type("I do not know.\n")
        await program.expect("no text of Passerelle's in what was pasted")
        await program.type(f"{ask}\n")
        await program.expect("the other one of the two texts")
        reply = await answer(page, ask)
        await program.type(f"{reply[:300]}\n\n")
        await program.expect("The text is cut off")
        await program.type(f"{reply[:-5]}zzzz.\n")
        await program.expect("altered on the way")
        await program.type(f"{reply}\n")
        await program.expect("Connected through a volunteer")


async def test_an_answer_to_an_earlier_text_is_told(
    way: Way, chrome: Chromium, network: Path
) -> None:
    """An answer to an earlier text cannot be opened; the client shows a new text, which works."""
    async with friend_page(way, chrome) as page:
        async with reader(way, network) as (program, _):
            await program.expect("Paste your friend's answer here")
            earlier = await answer(page, asked(program))
        async with reader(way, network) as (program, _):
            await program.expect("Paste your friend's answer here")
            await program.type(f"{earlier}\n")
            await program.expect("An answer fits one text only")
            await program.expect(r"(?s)Paste your friend's answer here.*answer here")
            await program.type(await answer(page, asked(program, 1)) + "\n")
            await program.expect("Connected through a volunteer")


async def test_the_switch_must_be_on(way: Way, chrome: Chromium) -> None:
    page = await chrome.open(way.invite.partition("#")[0] + "friend")
    assert "Turn the switch on first" in await refused(page, "passerelle-ask1: abcd.")
    await page.context.close()


async def test_a_reader_without_the_description_learns_where_it_is(
    way: Way, tmp_path: Path
) -> None:
    words = ("friend", "--invite", way.invite, "--state", str(tmp_path / "none.json"))
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    async with Program(sys.executable, "-m", "passerelle", *words, *listen) as program:
        assert await program.wait() == 2
        await program.expect("name it with --network")
