"""The plugin in a real WordPress, with MariaDB, PHP and Chromium."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from passerelle.core.embed import ROOM, Choices, Extensions, Layout, tag
from passerelle.serve import BUILT_WIDGET, widget_script
from passerelle.wire import invite
from tests.rig.pictures import take_picture
from tests.rig.volunteer import Chromium, flip
from tests.rig.way import Way
from tests.rig.wordpress import ADMIN, PASSWORD, Database, WordPress, database, wordpress

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "wordpress"
FONT_PX = 20
"""What another machine's fonts may add to or take from a layout's height."""
UPGRADED = "() => document.querySelector('passerelle-switch')?.shadowRoot?.querySelector('button')"
STORED = "return get_option( 'passerelle_settings' );"
LEFT = """global $wpdb;
$left = array();
foreach ( array_diff( $wpdb->get_col( 'SHOW TABLES' ), array( $wpdb->posts ) ) as $table ) {
    foreach ( $wpdb->get_results( "SELECT * FROM `$table`", ARRAY_A ) as $row ) {
        $text = $table . ': ' . implode( ' ', $row );
        if ( stripos( $text, 'passerelle' ) && ! strpos( $text, ' recently_activated ' ) ) {
            $left[] = $text;
        }
    }
}
return $left;"""
"""All rows of the database with the plugin's name, but for what people wrote into posts, and for
WordPress' own list of plugins that were active within a week."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mariadb() -> AsyncIterator[Database]:
    # A socket's path may have at most 107 characters; pytest's own folders may be deeper.
    with tempfile.TemporaryDirectory(prefix="passerelle-") as folder:
        async with database(Path(folder)) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def paper(
    mariadb: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WordPress]:
    async with wordpress(mariadb, tmp_path_factory.mktemp("single")) as site:
        yield site
        assert site.complaints() == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(chrome: Chromium) -> AsyncIterator[Page]:
    """Yield a page of a visitor who has never been here."""
    context = await chrome.browser.new_context()
    yield await context.new_page()
    await context.close()


@pytest.fixture
def line(way: Way) -> str:
    """The tag of a network whose servers run."""
    return tag(widget_script(BUILT_WIDGET), invite.parse(way.invite))


@pytest.fixture
def settings(way: Way) -> dict[str, str]:
    """What the plugin stores of `line`."""
    script = widget_script(BUILT_WIDGET)
    return {
        "network": way.invite,
        "src": script.source(way.base),
        "integrity": script.integrity,
    }


async def log_in(page: Page, site: WordPress, name: str = ADMIN) -> None:
    """Log in as somebody whose password is `PASSWORD`."""
    await page.goto(f"{site.url}/wp-login.php")
    # The page's own script fills in a name and moves the cursor after a moment.
    answer = await page.request.post(
        f"{site.url}/wp-login.php", form={"log": name, "pwd": PASSWORD, "testcookie": "1"}
    )
    assert "/wp-admin" in answer.url


async def save(page: Page, site: WordPress, **choices: str) -> None:
    """Choose values on the settings page, and save them."""
    await page.goto(f"{site.url}/wp-admin/options-general.php?page=passerelle")
    for name, value in choices.items():
        field = page.locator(f"#passerelle-{name}")
        await (field.fill(value) if name == "tag" else field.select_option(value))
    await page.get_by_role("button", name="Save Changes").click()
    await expect(page.locator("#setting-error-settings_updated, .notice").first).to_be_visible()


async def switches(page: Page, url: str) -> list[dict[str, str]]:
    """Open a page, wait for the switch to be there, and return the attributes of all of them."""
    await page.goto(url)
    await page.wait_for_function(UPGRADED)
    told = """(all) => all.map((one) => Object.fromEntries([...one.attributes]
        .filter(({name}) => name !== "style").map(({name, value}) => [name, value])))"""
    return list(await page.locator("passerelle-switch").evaluate_all(told))


async def test_from_activation_to_a_switch_that_is_on(
    page: Page, paper: WordPress, line: str, way: Way, chrome: Chromium
) -> None:
    """A publisher activates the plugin and pastes the tag; a visitor turns the switch on."""
    await paper.reset()
    await paper.run("deactivate_plugins( 'passerelle/passerelle.php' );return 1;")
    await log_in(page, paper)
    await page.goto(f"{paper.url}/wp-admin/plugins.php")
    await page.locator("#activate-passerelle").click()
    await expect(page.get_by_text("Plugin activated")).to_be_visible()
    await page.locator("tr[data-slug=passerelle]").get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="Passerelle")).to_be_visible()
    await save(page, paper, tag=line, position="floating")
    # The plugin shows network and script; the room is its own business.
    shown = line.replace(f' style="display:block;min-height:{ROOM[Layout.PANEL]}"', "")
    assert shown != line
    await expect(page.locator("#passerelle-tag")).to_have_value(shown)
    visitor = await chrome.open(await paper.post("Text"))
    await flip(visitor)
    await visitor.context.close()


async def test_a_door_is_off_until_somebody_turns_it_on(
    page: Page, paper: WordPress, settings: dict[str, str]
) -> None:
    """The page says what it does and costs, and what is missing."""
    await paper.reset(**settings)
    await log_in(page, paper)
    await page.goto(f"{paper.url}/wp-admin/options-general.php?page=passerelle")
    switch = page.locator("#passerelle-door-on")
    await expect(switch).not_to_be_checked()
    await expect(page.locator("#passerelle-door-costs li")).to_have_count(4)
    await expect(page.locator("#passerelle-door-state")).to_have_count(0)
    await save(page, paper, **{"door-daily": "20"})
    await expect(switch).not_to_be_checked()
    await switch.check()
    await page.locator("#passerelle-door-key").fill("not a key")
    await page.get_by_role("button", name="Save Changes").click()
    await expect(page.get_by_text("This is not a door’s key")).to_be_visible()
    await expect(page.locator("#passerelle-door-state")).to_contain_text("43 letters and digits")
    await page.locator("#passerelle-door-key").fill("k" * 43)
    await page.get_by_role("button", name="Save Changes").click()
    await expect(page.locator("#passerelle-door-state")).to_contain_text("The door is open")
    PICTURES.mkdir(parents=True, exist_ok=True)
    await take_picture(page, PICTURES / "settings.png", full_page=True)
    stored = await paper.run("return get_option( 'passerelle_door' );")
    assert stored == {"on": "1", "key": "k" * 43, "daily": "20"}


async def test_going_on_after_the_page_is_the_publishers_choice(
    page: Page, paper: WordPress, way: Way
) -> None:
    """The pasted tag names the network's extension, and the switch has it until it is taken out."""
    await paper.reset()
    await log_in(page, paper)
    links = Extensions(chromium="https://store.example/one?a&b", firefox="https://addons.example/")
    given = invite.parse(way.invite)
    whole = tag(widget_script(BUILT_WIDGET), given, Choices(extensions=links))
    await save(page, paper, tag=whole, position="after")
    url = await paper.post("Text")
    assert await switches(page, url) == [{"network": way.invite, **links.links()}]
    await save(page, paper, keep="none")
    assert await switches(page, url) == [{"network": way.invite, "keep": "none"}]


@pytest.mark.parametrize("theme", ["classic", "blocks"])
@pytest.mark.parametrize("position", ["shortcode", "before", "after", "floating"])
async def test_every_position(
    page: Page, paper: WordPress, settings: dict[str, str], position: str, theme: str
) -> None:
    """The switch is where it was put, once, in themes of either kind."""
    await paper.reset(theme=theme, **settings, position=position)
    text = "<p>First.</p>\n\n[passerelle]\n\n" if position == "shortcode" else "<p>First.</p>"
    url = await paper.post(text + "<p>Last.</p>")
    layout = {"layout": "floating"} if position == "floating" else {}
    assert await switches(page, url) == [{"network": settings["network"], **layout}]
    order = await page.evaluate(
        """() => [...document.querySelectorAll("p, passerelle-switch")]
        .map((one) => one.localName === "p" ? one.textContent : "switch")
        .filter((one) => ["First.", "Last.", "switch"].includes(one)).join(" ")"""
    )
    expected = {"before": "switch First. Last.", "shortcode": "First. switch Last."}
    assert order == expected.get(position, "First. Last. switch")


@pytest.mark.parametrize(
    "filters",
    [
        ["minifier"],
        ["combiner"],
        ["delayer"],
        ["fragment_cache"],
        ["page_cache", "minifier", "combiner", "delayer"],
    ],
    ids="+".join,
)
async def test_caches_and_optimisers(
    page: Page, paper: WordPress, settings: dict[str, str], filters: list[str]
) -> None:
    """What such plugins make of a page still shows the switch, on each visit and untouched."""
    await paper.reset(**settings)
    paper.filter(*filters)
    url = await paper.post("[passerelle]")
    await page.goto(url)
    assert await switches(page, url) == [{"network": settings["network"]}]


async def test_a_page_cache_shows_what_was_chosen_last(
    page: Page, paper: WordPress, chrome: Chromium, settings: dict[str, str]
) -> None:
    """A cache has kept the page from before; saving and deactivating count at once."""
    await paper.reset(**settings, position="after")
    paper.filter("page_cache")
    url = await paper.post("Text")
    await switches(page, url)
    answer = await page.request.get(url)
    assert answer.headers["x-page-cache"] == "hit"
    owner = await (await chrome.browser.new_context()).new_page()
    await log_in(owner, paper)
    await save(owner, paper, theme="dark")
    assert await switches(page, url) == [{"network": settings["network"], "theme": "dark"}]
    await owner.goto(f"{paper.url}/wp-admin/plugins.php")
    await owner.locator("#deactivate-passerelle").click()
    await expect(owner.get_by_text("Plugin deactivated")).to_be_visible()
    await owner.context.close()
    text = await (await page.request.get(url)).text()
    assert "Text" in text
    assert "passerelle-switch" not in text


async def test_feeds_have_no_switch(page: Page, paper: WordPress, settings: dict[str, str]) -> None:
    """A reader of feeds runs no script, so an element there would be an empty place."""
    await paper.reset(**settings)
    await paper.run(
        "return wp_insert_post( array( 'post_title' => 'In the feed', "
        "'post_content' => 'Text [passerelle]', 'post_status' => 'publish' ) );"
    )
    feed = await (await page.request.get(f"{paper.url}/?feed=rss2")).text()
    assert "In the feed" in feed
    assert "passerelle" not in feed


async def test_the_shortcode_in_the_editor_of_widgets(
    page: Page, paper: WordPress, settings: dict[str, str]
) -> None:
    """A publisher adds the Shortcode block to a column; the switch is there on every page."""
    await paper.reset(**settings)
    await log_in(page, paper)
    await page.goto(f"{paper.url}/wp-admin/widgets.php")
    closing = page.get_by_role("button", name="Close dialog")
    await closing.or_(page.get_by_label("Add block").first).first.wait_for()
    if await closing.is_visible():
        await closing.click()
    await page.get_by_label("Add block").first.click()
    await page.get_by_placeholder("Search").fill("shortcode")
    await page.get_by_role("option", name="Shortcode").click()
    await page.get_by_label("Shortcode text").fill('[passerelle layout="inline" lang="fa"]')
    await page.get_by_role("button", name="Update").click()
    await expect(page.get_by_text("Widgets saved").first).to_be_visible()
    await switches(page, paper.url)
    own = page.locator('aside passerelle-switch[layout="inline"][lang="fa"]')
    assert await own.count() == 1


async def test_the_room_is_kept_before_the_script_comes(
    page: Page, paper: WordPress, settings: dict[str, str]
) -> None:
    """Text below the switch stays where it is when the script comes late, and no gap is left."""
    await paper.reset(**settings, position="before")
    url = await paper.post("<p>Text</p>")
    await page.set_viewport_size({"width": 1200, "height": 900})
    top = "document.querySelector('main p').getBoundingClientRect().top"
    for layout in ("panel", "inline", "banner"):
        await paper.run(
            "return update_option( 'passerelle_settings', $given['to'] );",
            to={**settings, "position": "before", "layout": layout},
        )
        await page.route("**/w/passerelle.*.js", lambda route: route.abort())
        await page.goto(url)
        before = await page.evaluate(top)
        await page.unroute("**/w/passerelle.*.js")
        await switches(page, url)
        after = await page.evaluate(top)
        await page.locator("passerelle-switch").evaluate("(one) => { one.style.minHeight = '' }")
        natural = await page.evaluate(top)
        assert abs(after - before) <= FONT_PX, layout
        # One room serves all languages, and English is among the shorter ones.
        assert abs(after - natural) <= 2 * FONT_PX, layout


FORGED = {
    "tag": '<script type="module" src="https://evil.example/w/x.js" integrity="sha384-'
    + "A" * 64
    + f'" crossorigin></script>\n<passerelle-switch network="https://evil.example/#{"A" * 43}">',
    "network": f"https://evil.example/#{'A' * 43}",
    "src": "https://evil.example/w/x.js",
    "integrity": "sha384-" + "A" * 64,
}


async def submit(page: Page, site: WordPress, fields: dict[str, str]) -> None:
    """Send the settings form with fields of a stranger's making, and its true nonce."""
    await page.goto(f"{site.url}/wp-admin/options-general.php?page=passerelle")
    hidden = await page.locator("form[action$='options.php'] input[type=hidden]").evaluate_all(
        "(all) => Object.fromEntries(all.map(({name, value}) => [name, value]))"
    )
    sent = {f"passerelle_settings[{name}]": value for name, value in fields.items()}
    answer = await page.request.post(f"{site.url}/wp-admin/options.php", form={**hidden, **sent})
    assert answer.ok


async def attack(page: Page, site: WordPress, settings: dict[str, str]) -> None:
    """Try to put a script of one's own on the site, as an administrator who may not."""
    usual = {"layout": "panel", "theme": "auto", "lang": "", "position": "after"}
    usual |= {"chromium": "", "firefox": "", "keep": "offered"}
    await submit(page, site, {"tag": FORGED["tag"], "position": "after"})
    assert await site.run(STORED) == {**settings, **usual}
    await submit(page, site, {**FORGED, "theme": "dark"})
    assert await site.run(STORED) == {**settings, **usual, "theme": "dark", "position": "shortcode"}
    await page.goto(f"{site.url}/wp-admin/options-general.php?page=passerelle")
    assert not await page.locator("#passerelle-tag").is_editable()
    await expect(
        page.locator("#passerelle-tag-hint").get_by_text("unfiltered_html")
    ).to_be_visible()
    # How the switch looks is theirs to choose, and saving it keeps the tag.
    await save(page, site, theme="light", position="after")
    assert await site.run(STORED) == {**settings, **usual, "theme": "light"}


async def test_only_who_may_write_scripts_changes_the_tag(
    page: Page, paper: WordPress, settings: dict[str, str]
) -> None:
    """An administrator of a site that disallows unfiltered HTML chooses all but the tag."""
    await paper.reset(**settings)
    muplugins = paper.root / "wp-content" / "mu-plugins"
    (muplugins / "strict.php").write_text("<?php define( 'DISALLOW_UNFILTERED_HTML', true );")
    await log_in(page, paper)
    await attack(page, paper, settings)
    # Before there is any tag, none can be brought either.
    await paper.run("delete_option( 'passerelle_settings' );return 1;")
    await submit(page, paper, FORGED)
    stored = await paper.run(STORED)
    assert (stored["network"], stored["src"], stored["integrity"]) == ("", "", "")


async def test_a_multisites_administrators_do_not_change_the_tag(
    page: Page,
    mariadb: Database,
    tmp_path: Path,
    settings: dict[str, str],
    line: str,
    chrome: Chromium,
) -> None:
    """Only the network's own administrators do; and deleting the plugin clears every site."""
    async with wordpress(mariadb, tmp_path, network=True) as site:
        site.filter()
        before = set(await site.run(LEFT))
        await site.reset(**settings)
        second = await site.run(
            """wpmu_create_user( 'local', $given['password'], 'local@paper.example' );
            add_user_to_blog( 1, get_user_by( 'login', 'local' )->ID, 'administrator' );
            $second = wpmu_create_blog( $given['host'], '/second/', 'Second', 1 );
            switch_to_blog( $second );
            update_option( 'passerelle_settings', get_blog_option( 1, 'passerelle_settings' ) );
            activate_plugin( 'passerelle/passerelle.php' );
            return get_option( 'passerelle_settings' );""",
            password=PASSWORD,
            host=site.host,
        )
        assert second == settings
        await log_in(page, site, "local")
        await attack(page, site, settings)
        root = await (await chrome.browser.new_context()).new_page()
        await log_in(root, site)
        await save(root, site, tag=line, layout="banner")
        assert (await site.run(STORED))["layout"] == "banner"
        await site.run(
            "deactivate_plugins( 'passerelle/passerelle.php' ); switch_to_blog( 2 );"
            "deactivate_plugins( 'passerelle/passerelle.php' ); return 1;"
        )
        await delete(root, f"{site.url}/wp-admin/network/plugins.php")
        await root.context.close()
        assert not site.plugin.exists()
        assert set(await site.run(LEFT)) <= before
        assert site.complaints() == []


async def delete(page: Page, url: str) -> None:
    """Delete the plugin on the page of plugins."""
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(url)
    await page.locator("#delete-passerelle").click()
    await expect(page.locator("tr[data-slug=passerelle].deleted")).to_be_visible()


async def test_deleting_it_leaves_nothing(
    page: Page, paper: WordPress, settings: dict[str, str]
) -> None:
    """Neither a file nor a row with its name is left, and the site works on."""
    await paper.reset(**settings, position="floating")
    url = await paper.post("Text")
    await log_in(page, paper)
    await page.goto(f"{paper.url}/wp-admin/plugins.php")
    await page.locator("#deactivate-passerelle").click()
    await expect(page.get_by_text("Plugin deactivated")).to_be_visible()
    await delete(page, f"{paper.url}/wp-admin/plugins.php")
    assert not paper.plugin.exists()
    assert await paper.run(LEFT) == []
    text = await (await page.request.get(url)).text()
    assert "Text" in text
    assert "passerelle" not in text
