"""The WordPress plugin, run by PHP."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from passerelle.core.embed import (
    LANGUAGES,
    ROOM,
    Choices,
    Extensions,
    Layout,
    Script,
    Theme,
    tag,
)
from passerelle.wire.invite import Invite

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "integrations" / "wordpress"
RUN = Path(__file__).parent / "wordpress" / "run.php"
FILES = sorted(PLUGIN.rglob("*.php"))
GUARD = re.compile(r"^defined\( '(ABSPATH|WP_UNINSTALL_PLUGIN)' \) \|\| exit;$", re.MULTILINE)
VERSION = re.compile(r"^ \* Version: +(\S+)$", re.MULTILINE)
TIMEOUT_S = 20.0

INVITE = Invite("https://broker.example", bytes(32))
SCRIPT = Script("passerelle.3f2a9c01.js", "sha384-" + "Ab+/" * 16)
TAG = tag(SCRIPT, INVITE)
GOOD = {
    "network": str(INVITE),
    "src": "https://broker.example/w/passerelle.3f2a9c01.js",
    "integrity": SCRIPT.integrity,
    "chromium": "",
    "firefox": "",
}
LINKS = Extensions(chromium="https://store.example/one?a=1&b", firefox="https://addons.example/x")
HOSTILE = [
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" x="',
    "javascript:alert(1)//",
    "</textarea></select><img src=x onerror=alert(1)>",
    "\0\u202e\ud7ff\n<b>",
    TAG.replace('"></passerelle', '&quot; onclick=&quot;alert(1)"></passerelle'),
]
FIELDS = ["network", "src", "integrity", "layout", "theme", "lang", "position", "keep", "tag"]
FIELDS += ["chromium", "firefox"]
GIGABYTES = ["5", "1", "20", "100"]
"""What a door may carry in a day."""


def php(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run PHP; a machine without it fails, it does not skip."""
    program = shutil.which("php")
    assert program, "PHP is not on this machine. Install it: apt-get install php-cli"
    return subprocess.run(
        [program, *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def wordpress(*steps: list[Any], **given: Any) -> dict[str, Any]:
    """Let the plugin do `steps`, and return what `run.php` tells."""
    ended = php(str(RUN), text=json.dumps({"do": steps, **given}))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


class Html(HTMLParser):
    """The elements of a text, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def room(layout: Layout) -> str:
    """Return the style that keeps a layout's room, as the tags of Passerelle itself have it."""
    return f"display:block;min-height:{ROOM[layout]}"


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    return Html(text).elements


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_is_php_and_starts_nothing_by_itself(file: Path) -> None:
    """It parses, has its licence, and does nothing when a stranger asks the server for it."""
    assert php("-l", str(file)).returncode == 0
    text = file.read_text()
    assert "SPDX-License-Identifier: Apache-2.0" in text
    assert re.search(
        r"^defined\( '(ABSPATH|WP_UNINSTALL_PLUGIN)' \) \|\| exit;$", text, re.MULTILINE
    )
    alone = php(str(file))
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, "", "")


def test_the_shortcode_is_the_tag() -> None:
    """What it gives is what `passerelle embed` prints, with words for other plugins and room."""
    told = wordpress(["shortcode", ""], ["action", "wp_footer"], option=GOOD)["steps"]
    assert [told[0]["printed"], told[1]["printed"]] == ["", ""]
    (name, script), switch = elements(told[0]["returned"])
    (_, expected), (_, expected_switch) = elements(TAG)
    assert name == "script"
    assert {each: script[each] for each in expected} == {**expected, "crossorigin": "anonymous"}
    assert {"data-no-optimize", "data-cfasync", "nowprocket"} <= set(script)
    assert switch == ("passerelle-switch", {**expected_switch, "style": room(Layout.PANEL)})


def test_the_networks_extension_is_offered_unless_the_publisher_says_no() -> None:
    """The links come from the tag; a tag without them takes them away."""
    whole = tag(SCRIPT, INVITE, Choices(extensions=LINKS))
    steps: list[list[Any]] = [["action", "admin_init"], ["action", "admin_menu"]]
    for form in ({"tag": whole}, {"tag": whole, "keep": "none"}, {"tag": TAG}):
        steps += [["save", form], ["shortcode", ""], ["page"]]
    told = wordpress(*steps, option=GOOD, can=["manage_options", "unfiltered_html"])["steps"]
    shown = [elements(each["returned"])[1][1] for each in told[3::3]]
    assert [each.get("chromium") for each in shown] == [LINKS.chromium, None, None]
    assert [each.get("firefox") for each in shown] == [LINKS.firefox, None, None]
    assert [each.get("keep") for each in shown] == [None, "none", None]
    stored = told[2]["returned"]
    assert (stored["chromium"], stored["firefox"]) == (LINKS.chromium, LINKS.firefox)
    # The settings page shows the tag again, whole: saving it once more changes nothing.
    (text,) = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", told[4]["printed"])
    again = elements(html.unescape(text))[1][1]
    assert (again["chromium"], again["firefox"]) == (LINKS.chromium, LINKS.firefox)


def test_a_shortcodes_own_choices_count_for_it_alone() -> None:
    own = {"layout": "inline", "theme": "dark", "lang": "fa"}
    stored = {**GOOD, "theme": "light"}
    told = wordpress(["shortcode", own], ["shortcode", {}], option=stored)["steps"]
    network = {"network": str(INVITE)}
    switches = [elements(each["returned"])[1] for each in told]
    assert switches == [
        ("passerelle-switch", {**network, **own, "style": room(Layout.INLINE)}),
        ("passerelle-switch", {**network, "theme": "light", "style": room(Layout.PANEL)}),
    ]


@pytest.mark.parametrize("evil", HOSTILE)
@pytest.mark.parametrize("field", FIELDS)
def test_hostile_settings_come_to_nothing(field: str, evil: str) -> None:
    """Whatever is stored, or written into a shortcode, nothing is made of it."""
    for value in (evil, GOOD.get(field, "") + evil, {"x": evil}, [evil], 7, None):
        option = {**GOOD, field: value}
        told = wordpress(
            ["shortcode", {field: value}],
            ["filter", "the_content", "<p>text</p>"],
            ["action", "wp_footer"],
            ["action", "admin_menu"],
            ["page"],
            option=option,
            can=["manage_options"],
        )["steps"]
        page = told[4]["printed"]
        assert evil not in page
        shown = elements(told[0]["returned"]) + elements(told[2]["printed"])
        assert {name for name, _ in shown} <= {"passerelle-switch", "script", "p"}
        for name, attributes in [*shown, *elements(page)]:
            assert name not in {"img", "b"}
            assert not [each for each in attributes if each.startswith("on")]
            if name == "script":
                assert attributes["src"] == GOOD["src"]
        for attributes in (each for name, each in shown if name == "passerelle-switch"):
            assert set(attributes) <= {"network", "layout", "theme", "lang", "keep", "style"}
            assert attributes.get("style") in {None, *map(room, ROOM)}
            assert attributes["network"] == GOOD["network"]


@pytest.mark.parametrize("option", [None, [], "", 0, {**GOOD, "network": ""}, {**GOOD, "src": "x"}])
def test_without_a_network_visitors_see_nothing(option: Any) -> None:
    """The site's owner is told what to do."""
    steps: list[list[Any]] = [["shortcode", ""], ["action", "wp_footer"]]
    told = wordpress(*steps, option=option)["steps"]
    assert [told[0]["returned"], told[1]["printed"]] == ["", ""]
    told = wordpress(*steps, option=option, can=["manage_options"])["steps"]
    assert "Settings › Passerelle" in told[0]["returned"]
    assert told[1]["printed"] == ""


@pytest.mark.parametrize(
    ("position", "content"),
    [("shortcode", "<p>"), ("before", "<script"), ("after", "<p>"), ("floating", "<p>")],
)
def test_positions(position: str, content: str) -> None:
    """The script comes exactly where a switch is; the floating one is on every page."""
    steps: list[list[Any]] = [["filter", "the_content", "<p>text</p>"], ["action", "wp_footer"]]
    option = {**GOOD, "position": position}
    told = wordpress(*steps, option=option)["steps"]
    assert told[0]["returned"].startswith(content)
    assert told[0]["returned"].count("<passerelle-switch") == (position in {"before", "after"})
    assert told[0]["returned"].count("<script") == (position in {"before", "after"})
    assert told[1]["printed"].count("<script") == (position == "floating")
    assert told[1]["printed"].count('layout="floating"') == (position == "floating")
    lists = wordpress(*steps, option=option, singular=False)["steps"]
    assert lists[0]["returned"] == "<p>text</p>"
    assert lists[1]["printed"].count("<script") == (position == "floating")


def test_the_settings_page_saves_what_a_tag_says() -> None:
    """The tag goes in as it was copied, with whatever attributes, and comes back without them."""
    form = {
        "tag": TAG.replace("></passerelle", ' mbit="5"></passerelle'),
        "layout": "banner",
        "theme": "dark",
        "lang": "ug",
        "position": "after",
    }
    told = wordpress(
        ["action", "admin_init"],
        ["action", "admin_menu"],
        ["save", form],
        ["page"],
        can=["manage_options", "unfiltered_html"],
    )
    assert told["notes"] == []
    assert told["steps"][2]["returned"] == {
        **GOOD,
        "layout": "banner",
        "theme": "dark",
        "position": "after",
        "lang": "ug",
        "keep": "offered",
    }
    page = told["steps"][3]["printed"]
    assert "nonce-of-passerelle-options" in page
    chosen = [each["value"] for name, each in elements(page) if "selected" in each]
    assert chosen == ["after", "banner", "dark", "ug", "offered", "5"]
    assert 'href="https://broker.example/embed"' in page


def test_half_a_tag_is_refused_with_a_sentence() -> None:
    steps: list[list[Any]] = [["action", "admin_init"], ["save", {"tag": TAG.splitlines()[1]}]]
    told = wordpress(*steps, can=["unfiltered_html"])
    (note,) = told["notes"]
    assert "/embed" in note
    assert told["steps"][1]["returned"]["network"] == str(INVITE)
    assert told["steps"][1]["returned"]["src"] == ""


@pytest.mark.parametrize("field", ["tag", "network", "src", "integrity"])
def test_the_tag_is_for_those_who_may_write_scripts(field: str) -> None:
    """Neither the tag nor what comes from it changes; what else was chosen does."""
    other = {
        "tag": TAG.replace("broker", "evil"),
        **{name: value.replace("broker", "evil") for name, value in GOOD.items()},
    }
    form = {field: other[field], "theme": "dark"}
    steps: list[list[Any]] = [["action", "admin_init"], ["save", form]]
    told = wordpress(*steps, option=GOOD, can=["manage_options"])
    stored = told["steps"][1]["returned"]
    assert {name: stored[name] for name in GOOD} == GOOD
    assert stored["theme"] == "dark"
    assert len(told["notes"]) == (field == "tag")


def test_the_settings_page_is_for_those_who_manage_options() -> None:
    told = wordpress(["action", "admin_menu"], ["page"], option=GOOD, can=["edit_posts"])["steps"]
    assert told[1] == {"printed": "", "returned": "manage_options"}


def test_the_choices_are_those_of_the_switch() -> None:
    told = wordpress(["action", "admin_menu"], ["page"], option=GOOD, can=["manage_options"])
    found = [
        each["value"] for name, each in elements(told["steps"][1]["printed"]) if name == "option"
    ]
    layouts = [layout for layout in Layout if layout is not Layout.FLOATING]
    assert found[4:] == [*layouts, *Theme, "", *LANGUAGES, "offered", "none", *GIGABYTES]


@pytest.mark.parametrize("sites", [None, [1, 2, 7]])
def test_nothing_is_left_when_it_is_deleted(sites: list[int] | None) -> None:
    """Its option goes, on every site; what belongs to others stays."""
    given = {} if sites is None else {"multisite": sites}
    told = wordpress(["uninstall"], option=GOOD, **given)
    assert told["store"] == {str(site): {"other": 1} for site in sites or [1]}


def test_the_directorys_readme_names_the_plugins_version() -> None:
    (version,) = re.findall(
        r"^ \* Version: +(\S+)$", (PLUGIN / "passerelle.php").read_text(), re.MULTILINE
    )
    assert f"Stable tag: {version}\n" in (PLUGIN / "readme.txt").read_text()
