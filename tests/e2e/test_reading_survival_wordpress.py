"""A real WordPress whose visitors go on reading when it is blocked, and its settings for it."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import pytest
from playwright.async_api import expect

from passerelle import readingpage, survival
from passerelle.demo import reading as demo
from passerelle.demo.run import HOST
from passerelle.readingpage import ReadingPage
from passerelle.serve import BUILT_WIDGET, widget_script
from tests.e2e.test_reading_survival import GONE, READY
from tests.rig.ports import free_port
from tests.rig.reading import Reading, shown
from tests.rig.survive import MARK, Censor
from tests.rig.volunteer import Chromium
from tests.rig.wordpress import ADMIN, PASSWORD, database, wordpress

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

NAME = "paper.localhost"
LOG_IN = """(words) => fetch('/wp-login.php', { method: 'POST', body: new URLSearchParams(words) })
  .then((answer) => answer.url)"""
ASK = """(url) => fetch(url).then(async (found) => ({
  status: found.status, headers: Object.fromEntries(found.headers), text: await found.text() }))"""
ROUTE = "/?rest_route=/passerelle/v1/passerelle-survive.js"


async def test_a_publisher_turns_it_on_and_withdraws_it(tmp_path: Path) -> None:
    """The file is made for the site's own key, so that each visit is proven by a signature."""
    front = free_port()
    names = f"--host-resolver-rules=MAP {NAME} {HOST}:{front}"
    with tempfile.TemporaryDirectory(prefix="passerelle-") as folder:
        async with (
            database(Path(folder)) as mariadb,
            wordpress(mariadb, tmp_path, host=NAME) as paper,
            Chromium(*demo.OPEN, names) as chrome,
            Reading(chrome, paper.port, (NAME,)) as reading,
        ):
            censor = Censor(front, site=(HOST, paper.port))
            await censor.be("open")
            script = widget_script(BUILT_WIDGET)
            await paper.reset(
                position="floating",
                network=str(reading.servers.invite.plain),
                src=script.source(reading.servers.invite.url),
                integrity=script.integrity,
            )
            await reading.volunteer()
            admin = await (await chrome.browser.new_context()).new_page()
            await admin.goto(f"{paper.url}/wp-login.php")
            words = {"log": ADMIN, "pwd": PASSWORD, "testcookie": "1"}
            assert "/wp-admin" in await admin.evaluate(LOG_IN, words)
            await admin.goto(f"{paper.url}/wp-admin/options-general.php?page=passerelle")
            await admin.get_by_role("button", name="Make a key").click()
            key = base64.b64decode(await admin.locator("#passerelle-survive-key").inner_text())
            page = ReadingPage(
                site=(paper.url,),
                invite=str(reading.servers.invite.plain),
                brokers=(reading.servers.invite.url,),
                document=reading.servers.document,
            )
            made = survival.survival(readingpage.built(), page, key)
            for content, state in ((b"alert(1)", "Off."), (made[survival.FILE], "On.")):
                file = {"name": survival.FILE, "mimeType": "text/javascript", "buffer": content}
                await admin.locator("#passerelle-survive-file").set_input_files(file)  # type: ignore[arg-type]
                await admin.get_by_role("button", name="Go on when blocked").click()
                await expect(admin.locator("#passerelle-survive-state")).to_have_text(state)

            visitor = await (await chrome.browser.new_context(locale="en-US")).new_page()
            await visitor.goto(paper.url + "/")
            assert await visitor.evaluate(READY) == paper.url + ROUTE
            answer = await visitor.goto(paper.url + "/")
            assert answer is not None
            assert answer.headers[MARK.lower()] == "1"
            assert await visitor.locator("iframe").count() == 0
            served = await visitor.evaluate(ASK, ROUTE)
            assert served["headers"]["service-worker-allowed"] == "/"
            assert served["text"].encode() == made[survival.FILE]

            await censor.be("refused")
            await visitor.goto(paper.url + "/")
            await visitor.click("button.start")
            await shown(visitor).locator("passerelle-switch").wait_for(state="attached")

            await censor.be("open")
            plugins = await admin.context.new_page()
            await plugins.goto(f"{paper.url}/wp-admin/plugins.php")
            await expect(plugins.locator("#passerelle-survive-first")).to_be_visible()
            await admin.get_by_role("button", name="Withdraw").click()
            await expect(admin.locator("#passerelle-survive-state")).to_contain_text("Withdrawn")
            await visitor.goto(paper.url + "/")
            assert await visitor.evaluate(GONE)
            await plugins.reload()
            assert await plugins.locator("#passerelle-survive-first").count() == 0
            # What browsers ask of a site whose plugin is gone is not found.
            await paper.run("deactivate_plugins( 'passerelle/passerelle.php' ); return 1;")
            assert (await visitor.evaluate(ASK, ROUTE))["status"] == 404
            assert paper.complaints() == []
            await censor.close()
