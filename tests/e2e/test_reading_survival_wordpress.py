"""A real WordPress whose visitors go on reading when it is blocked, and its settings for it."""

from __future__ import annotations

import base64

import pytest
from playwright.async_api import expect

from passerelle.demo.reading import SHOWN
from tests.e2e.test_reading_survival import GONE, READY
from tests.rig.reading import shown
from tests.rig.survive import MARK
from tests.rig.survivingpaper import surviving_paper

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

ASK = """(url) => fetch(url).then(async (found) => ({
  status: found.status, headers: Object.fromEntries(found.headers), text: await found.text() }))"""
ROUTE = "/?rest_route=/passerelle/v1/passerelle-survive.js"


async def test_a_publisher_turns_it_on_and_withdraws_it() -> None:
    """The file is made for the site's own key, so that each visit is proven by a signature.

    While the site is blocked, a browser that was there before reads on, and so do one that opens a
    mirror and one that has only the single file.
    """
    async with surviving_paper() as here:
        paper, censor = here.paper, here.censor
        admin = await here.settings()
        await admin.get_by_role("button", name="Make a key").click()
        key = base64.b64decode(await admin.locator("#passerelle-survive-key").inner_text())
        made = here.worker(key)
        for content, state in ((b"alert(1)", "Off."), (made, "On.")):
            await here.put_in(admin, content)
            await expect(admin.locator("#passerelle-survive-state")).to_have_text(state)

        visitor = await here.phone()
        await visitor.goto(paper.url + "/")
        assert await visitor.evaluate(READY) == paper.url + ROUTE
        answer = await visitor.goto(paper.url + "/")
        assert answer is not None
        assert answer.headers[MARK.lower()] == "1"
        assert await visitor.locator("iframe").count() == 0
        served = await visitor.evaluate(ASK, ROUTE)
        assert served["headers"]["service-worker-allowed"] == "/"
        assert served["text"].encode() == made

        await censor.be("refused")
        await visitor.goto(paper.url + "/")
        await visitor.click("button.start")
        await shown(visitor).locator("passerelle-switch").wait_for(state="attached")
        for address in (here.reading.url, here.single.as_uri()):
            page = await here.phone()
            await page.goto(address)
            await page.click("button.start")
            await page.wait_for_function(f"() => {SHOWN}?.querySelector('h1')")
            await page.context.close()

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
