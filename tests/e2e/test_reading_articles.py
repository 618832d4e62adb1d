"""One article at a time, from the single file in a real Chromium and a real Firefox.

Its forms are sent, and a hostile article runs nothing and reaches nobody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler
from playwright.async_api import Page

from passerelle.demo.reading import SHOWN
from tests.rig.elsewhere import ADDRESS, Elsewhere
from tests.rig.firefox import Firefox, FirefoxPage
from tests.rig.reading import PAGES, Reading, open_firefox
from tests.rig.volunteer import Chromium

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

KINDS = ("chromium", "firefox")
FORMS = """<!doctype html><title>forms</title><h1>forms</h1>
<form id="get" action="/search"><input name="q" value="library"></form>
<form id="post" action="/form" method="post">
<input name="name" required><button>Send</button></form>
<form id="files" action="/form" method="post" enctype="multipart/form-data">
<input type="file" name="paper"><button name="name" value="Niu">Send</button></form>"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with open_firefox() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async with Elsewhere() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(open_chrome: Chromium, elsewhere: Elsewhere) -> AsyncIterator[Reading]:
    """Yield a network whose site has a page of forms and a hostile one."""
    hostile = (PAGES / "articles.html").read_text().replace("ELSE", f"{ADDRESS}:{elsewhere.port}")
    table = "<tr>" + "<td>cell</td>" * 40 + "</tr>"
    texts = {
        "hostile": (hostile.replace("</table>", table * 500 + "</table>"), "text/html"),
        "breaks": (
            f"</style><link rel=preconnect href=http://{ADDRESS}:{elsewhere.port}>"
            f"<img id=broken src=http://{ADDRESS}:{elsewhere.port}/broken onerror=top.ran=1>",
            "text/css",
        ),
        "paper": ("%PDF", "application/pdf"),
        "forms": (FORMS, "text/html"),
    }

    def page_of(text: str, kind: str) -> Handler:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type=kind)

        return answer

    async with Reading(open_chrome) as made:
        made.newspaper.pages |= {name: page_of(*given) for name, given in texts.items()}
        await made.volunteer()
        yield made


async def opened(
    kind: str, path: str, file: Path, reading: Reading, firefox: Firefox
) -> Page | FirefoxPage:
    """Open the single file at an article, and agree to the notice."""
    file.write_bytes(reading.single)
    address = f"{file.as_uri()}#{path}"
    page: Page | FirefoxPage
    page = await (reading.chrome if kind == "chromium" else firefox).open(address)
    await page.click("button.start")
    return page


async def headline(page: Page | FirefoxPage, words: str) -> None:
    """Wait until a headline with these words is shown."""
    await page.wait_for_function(
        f"() => {SHOWN}?.querySelector('h1')?.textContent.includes('{words}')"
    )


async def press(page: Page | FirefoxPage, selector: str) -> None:
    """Press what the article shows."""
    event = "new MouseEvent('click', {bubbles: true, cancelable: true})"
    await page.evaluate(f"() => {{ {SHOWN}.querySelector('{selector}').dispatchEvent({event}) }}")


async def write(page: Page | FirefoxPage, selector: str, text: str) -> None:
    """Write into a field of the article."""
    await page.evaluate(
        f"() => {{ const field = {SHOWN}.querySelector('{selector}'); field.value = '{text}' }}"
    )


async def told(page: Page | FirefoxPage, sentence: str) -> None:
    """Wait for a sentence, and close it."""
    await page.wait_for_function(
        f"() => document.querySelector('dialog')?.innerText.includes({json.dumps(sentence)})"
    )
    await page.click("dialog button.start")


@pytest.mark.parametrize("kind", KINDS)
async def test_forms_of_an_article_are_sent(
    kind: str, reading: Reading, firefox: Firefox, tmp_path: Path
) -> None:
    """A search by Enter, a form that is sent, a required field, a form with files; and back."""
    page = await opened(kind, "/page/forms", tmp_path / "reader.html", reading, firefox)
    await headline(page, "forms")
    keys = "{key: 'Enter', bubbles: true, cancelable: true}"
    await page.evaluate(
        f"() => {{ {SHOWN}.querySelector('#get input').dispatchEvent"
        f"(new KeyboardEvent('keydown', {keys})) }}"
    )
    await headline(page, "found for “library”")
    assert await page.evaluate("() => location.hash") == "#/search?q=library"
    await page.go_back()
    await headline(page, "forms")
    await press(page, "#post button")
    assert await page.evaluate(f"() => {SHOWN}.querySelector('h1').innerText") == "forms"
    await write(page, "#post input", "Ayşe 李")
    await press(page, "#post button")
    await headline(page, "Thanks, Ayşe 李")
    await page.go_back()
    await headline(page, "forms")
    await press(page, "#files button")
    await headline(page, "Thanks, Niu")
    await page.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hostile_article_runs_nothing_and_reaches_nobody(
    kind: str, reading: Reading, firefox: Firefox, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """The shell stays as it was, and everything that does nothing is told in a sentence."""
    page = await opened(kind, "/page/hostile", tmp_path / "reader.html", reading, firefox)
    await headline(page, "hostile")
    await page.wait_for_function(
        f"() => [...{SHOWN}.images].some((image) => image.naturalWidth === 640)"
    )
    assert await page.evaluate(f"() => {SHOWN}.querySelector('#broken') === null")
    assert await page.evaluate(f"() => {SHOWN}.querySelectorAll('#huge td').length") == 20_000
    named = f"() => [...{SHOWN}.querySelectorAll('a, area')].map((link) => link.href)"
    assert [href for href in await page.evaluate(named) if "ELSE" in href or ADDRESS in href] == []
    for chosen in ("#script", "#plain", "#late button"):
        await press(page, chosen)
        await told(page, "This needs scripts of the site")
    await press(page, "#malformed")
    await press(page, "#moving text")
    await press(page, "#close")
    for chosen in ("#away", "#new", "#data", "#get button"):
        await press(page, chosen)
        await told(page, "This link leaves")
    await press(page, "#post button")
    await told(page, "goes to somebody else")
    await write(page, "textarea", "x" * 20_000)
    await press(page, "#large button")
    await told(page, "holds more than can be sent")
    await press(page, "#file")
    await told(page, "a file that cannot be shown")
    left = "() => [typeof ran, name, frames.length, location.pathname.endsWith('reader.html')]"
    assert await page.evaluate(left) == ["undefined", "", 1, True]
    await page.go_back()
    await headline(page, "hostile")
    await press(page, "#story")
    await headline(page, "A late harvest")
    await page.close()
    assert elsewhere.arrived == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace('\\"name\\"', '\\"nbme\\"', 1), "not signed by the right key"),
        (lambda text: text[: len(text) // 2], "does not fit the network|not signed"),
    ],
)
async def test_a_file_with_a_forged_description_asks_the_broker(
    change: Callable[[str], str], sentence: str, reading: Reading, tmp_path: Path
) -> None:
    """With a broker that answers it reads on; where none does, the page says what is wrong."""
    whole = reading.single.decode()
    match = re.search(r'"network":("(?:[^"\\]|\\.)*")', whole)
    assert match
    forged = json.dumps(change(json.loads(match[1]))).replace("<", "\\u003c")
    file = tmp_path / "reader.html"
    file.write_text(whole.replace(match[1], forged))
    page = await reading.chrome.open(file.as_uri())
    await page.click("button.start")
    await page.frame_locator("iframe").get_by_text("A late harvest").wait_for()
    await page.context.close()
    context = await reading.chrome.browser.new_context()
    page = await context.new_page()
    await page.route("**/v1/**", lambda route: route.abort())
    await page.goto(file.as_uri())
    await page.click("button.start")
    words = await page.locator(".trouble").first.inner_text()
    assert re.search(sentence + "|cannot be reached", words), words
    assert await page.locator("iframe").count() == 0
    await context.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mirrors_page_on_a_disk_names_the_file_that_works_there(
    kind: str, reading: Reading, firefox: Firefox, tmp_path: Path
) -> None:
    """In the reader's language with its folder, and in English without."""
    for path, content in reading.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    address = (tmp_path / "index.html").as_uri()
    page: Page | FirefoxPage
    if kind == "chromium":
        page = await (await reading.chrome.browser.new_context(locale="fa-IR")).new_page()
        await page.goto(address)
        words = "وب"
    else:
        page = await firefox.open(address)
        words = "which lies beside it"
    await page.wait_for_function(f"() => document.body.innerText.includes('{words}')")
    assert await page.evaluate("() => document.body.innerText.includes('reader.html')")
    await page.close()
