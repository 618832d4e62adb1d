"""A reader who reaches neither broker nor door, let in by a friend's browser: real Chromiums."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Error, Locator, Page, expect

from passerelle import readingpage
from passerelle.demo.reading import OPEN, static_host
from passerelle.io.server.web import WebServer
from passerelle.readingpage import ReadingPage
from tests.network import HOST
from tests.rig.behinddoor import BehindDoor, behind_a_door
from tests.rig.ports import free_port
from tests.rig.volunteer import Chromium, flip

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

TEXT: Final = re.compile(r"passerelle-ask1: [a-z2-7\s]+\.")
COUNTING: Final = """self.connections = 0;
self.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) {
    super(...given);
    self.connections += 1;
  }
};"""
"""JavaScript that counts the page's connections to other browsers."""
PASTE: Final = """(field, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData('text', text);
  field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
}"""


@dataclass
class Cut:
    """A reader from whom all of the network is cut off, and a friend from whom nothing is."""

    network: BehindDoor
    reader: Chromium
    friends: Chromium
    mirror: str
    """Where a story is on the mirror."""
    file: str
    """Where it is in the single file."""

    @asynccontextmanager
    async def opened(self, address: str) -> AsyncIterator[Page]:
        """Open the story at this address, with the notice before it."""
        context = await self.reader.browser.new_context(locale="en-US")
        page = await context.new_page()
        await page.add_init_script(COUNTING)
        await page.goto(address)
        await page.locator("button.start").wait_for()
        yield page
        await context.close()

    @asynccontextmanager
    async def friend(self) -> AsyncIterator[Page]:
        """Open the friend's page, and flip its switch."""
        page = await self.friends.open(f"{self.network.own}/friend")
        await flip(page)
        yield page
        await page.context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cut(
    tmp_path_factory: pytest.TempPathFactory, open_chrome: Chromium
) -> AsyncIterator[Cut]:
    folder = tmp_path_factory.mktemp("friend")
    async with behind_a_door("nginx", folder, port=free_port()) as here:
        made = ReadingPage(
            site=(here.site,),
            invite=str(here.servers.invite.plain),
            brokers=readingpage.asked_servers(await here.named()),
            document=await here.document(),
        )
        files = readingpage.built()
        single = folder / "reader.html"
        single.write_bytes(readingpage.single_file(files, made))
        ports = (url.split("/")[2] for url in (here.own, here.door))
        blocked = ", ".join(f"MAP {port} ~NOTFOUND" for port in ports)
        async with (
            Chromium(*OPEN, f"--host-resolver-rules={blocked}") as reader,
            WebServer(static_host(readingpage.mirror(files, made)), HOST, 0) as mirror,
        ):
            yield Cut(
                *(here, reader, open_chrome),
                mirror=f"http://localhost:{mirror.port}/story/library",
                file=f"{single.as_uri()}#/story/library",
            )


async def asks(page: Page) -> tuple[Locator, str]:
    """Agree to the notice, ask for a friend, and return the dialogue and the text in it."""
    await page.click("button.start")
    await page.click("button.friend", timeout=30_000)
    dialog = page.get_by_role("dialog")
    ask = dialog.get_by_label("Text for your friend")
    await expect(ask).to_have_value(TEXT, timeout=30_000)
    return dialog, await ask.input_value()


async def answered(friend: Page, text: str) -> str:
    """Paste a text into the friend's page, and return the answer."""
    await friend.get_by_label("Paste your friend’s text").fill(text)
    await friend.get_by_role("button", name="Make the answer").click()
    await friend.get_by_text("Done: the answer is below.").wait_for()
    return await friend.get_by_label("Send this answer back").input_value()


async def pastes(dialog: Locator, text: str) -> None:
    """Paste what came from the friend, and go on."""
    await dialog.get_by_label("Your friend’s answer").fill(text)
    await dialog.get_by_role("button", name="Connect").click()


async def reads(page: Page) -> None:
    """The story is there, through the friend's browser, and so is the page behind a link."""
    shown = page.frame_locator("main iframe")
    await expect(shown.locator("h1")).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator(".chip .head")).to_contain_text("Through 1 volunteer")
    await expect(page.locator(".trouble")).to_have_count(0)
    await shown.locator("a", has_text="Herald").first.click()
    await expect(shown.locator(".stories")).to_be_visible()


async def test_a_friend_lets_a_reader_with_a_file_in(cut: Cut) -> None:
    """Two texts are enough for a story, and nothing is connected before the reader's yes."""
    async with cut.opened(cut.file) as page, cut.friend() as friend:
        for server in (cut.network.own, cut.network.door):
            with pytest.raises(Error, match="NAME_NOT_RESOLVED"):
                await (await page.context.new_page()).goto(f"{server}/v1/network")
        assert await page.evaluate("connections") == 0
        dialog, text = await asks(page)
        assert text.startswith(f"{cut.network.own}/friend\n")
        reply = await answered(friend, f"Can you help me?\n{text}\n")
        await pastes(dialog, f"Here it is:\n> {reply}\n")
        await reads(page)


async def test_what_is_pasted_wrong_is_told(cut: Cut) -> None:
    """A sentence says what is wrong with it, and the right answer still works on a mirror then."""
    async with (
        cut.opened(cut.mirror) as page,
        cut.opened(cut.file) as other,
        cut.friend() as friend,
    ):
        dialog, text = await asks(page)
        status = dialog.get_by_role("status")
        _, another = await asks(other)
        reply = await answered(friend, text)
        for pasted, sentence in (
            ("", "This is not the answer"),
            ("I do not know.", "This is not the answer"),
            (text, "This is your own text"),
            (reply[:300], "cut off or altered"),
            (f"{reply[:-5]}zzzz.", "cut off or altered"),
            (await answered(friend, another), "does not belong to the text above"),
        ):
            await pastes(dialog, pasted)
            await expect(status).to_contain_text(sentence)
            assert await dialog.get_by_label("Your friend’s answer").input_value() == pasted
        await dialog.get_by_role("button", name="Go back").click()
        await expect(dialog).to_have_count(0)
        await page.click("button.friend")
        ask = dialog.get_by_label("Text for your friend")
        assert await ask.input_value() == text
        await ask.evaluate(PASTE, f"{text}\n{reply}")
        await dialog.get_by_role("button", name="Connect").click()
        await reads(page)


async def test_a_text_that_serves_no_more_is_replaced(cut: Cut) -> None:
    """After an answer without a connection, and after 20 minutes, another text is there."""
    async with cut.opened(cut.file) as page:
        await page.clock.install()
        await page.reload()
        dialog, text = await asks(page)
        async with cut.friend() as friend:
            reply = await answered(friend, text)
        await pastes(dialog, reply)
        ask, status = dialog.get_by_label("Text for your friend"), dialog.get_by_role("status")
        await expect(status).to_contain_text("Working")
        await page.clock.fast_forward("00:11")
        await expect(status).to_contain_text("No connection came about", timeout=30_000)
        await expect(ask).to_have_value(TEXT)
        second = await ask.input_value()
        await page.clock.fast_forward("20:01")
        await expect(status).to_contain_text("The text was too old", timeout=30_000)
        await expect(ask).to_have_value(TEXT)
        assert len({text, second, await ask.input_value()}) == 3
