"""The settings page for publishers, as a broker serves it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from passerelle.core.embed import LANGUAGES, Choices, Extensions, Layout, Script, Theme, tag
from passerelle.wire.invite import Invite
from tests.broker.parties import NETWORK, scene

INVITE = Invite("https://broker.example", bytes(32))
HOSTILE = "\"'><script>alert(1)</script><b onclick=x>$name ${tag}"
PARTS = {
    "element": ("passerelle.0.js", "sha384-a"),
    "embed": ("embed.0.js", "sha384-b"),
    "embed_style": ("embed.0.css", "sha384-c"),
}


@pytest.fixture
def widget(tmp_path: Path) -> Path:
    write(tmp_path, *PARTS)
    return tmp_path


def write(directory: Path, *names: str) -> None:
    """Write a built widget that has these parts."""
    manifest = {}
    for name in names:
        file, integrity = PARTS[name]
        (directory / file).write_text("")
        manifest[name] = {"file": file, "integrity": integrity}
    (directory / "manifest.json").write_text(json.dumps(manifest))


class Page(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        """Content of the elements that have an id."""
        self._id = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._id = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._id] = self.texts.get(self._id, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def options(self, name: str) -> list[str | None]:
        """The values that a field offers."""
        names = [(tag, attributes.get("name")) for tag, attributes in self.elements]
        if ("select", name) not in names:
            return [each["value"] for each in self.all("input") if each.get("name") == name]
        rest = self.elements[names.index(("select", name)) + 1 :]
        values = []
        for tag_name, attributes in rest:
            if tag_name != "option":
                break
            values.append(attributes["value"])
        return values


async def test_the_page_holds_tag_and_policy_of_its_network(widget: Path) -> None:
    """It needs no script of ours to give the usual tag away."""
    async with (
        scene(widget_dir=widget, invite=str(INVITE)) as here,
        here.http.get(f"{here.url}/embed") as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/html"
        page = Page(await response.text())
    assert page.texts["tag"] == tag(Script(*PARTS["element"]), INVITE)
    assert page.texts["policy"].splitlines() == [
        "script-src https://broker.example;",
        "connect-src https://broker.example wss://broker.example wss://one.example"
        " wss://two.example;",
        "worker-src blob:;",
    ]
    assert {each["src"]: each["integrity"] for each in page.all("script")} == {
        "w/passerelle.0.js": "sha384-a",
        "w/embed.0.js": "sha384-b",
    }


async def test_the_networks_extensions_are_in_the_tag_and_can_be_left_out(widget: Path) -> None:
    """They are told to `passerelle embed` as well; a network without any tells none."""
    links = Extensions(chromium="https://store.example/?a&b", firefox="https://addons.example/")
    for extensions in (links, Extensions()):
        async with scene(widget_dir=widget, invite=str(INVITE), extensions=extensions) as here:
            async with here.http.get(f"{here.url}/embed") as response:
                page = Page(await response.text())
            async with here.http.get(f"{here.url}/v1/extensions") as response:
                told = await response.json()
        choices = Choices(extensions=extensions)
        assert page.texts["tag"] == tag(Script(*PARTS["element"]), INVITE, choices)
        assert ("chromium=" in page.texts["tag"]) == (extensions is links)
        assert page.options("chromium") == [extensions.chromium]
        assert page.options("firefox") == [extensions.firefox]
        assert told == extensions.links()


async def test_the_page_may_fetch_the_widgets_files_alone_and_runs_nothing_inline(
    widget: Path,
) -> None:
    async with (
        scene(widget_dir=widget, invite=str(INVITE)) as here,
        here.http.get(f"{here.url}/embed") as response,
    ):
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert "default-src 'none'" in policy
    assert "connect-src https://broker.example/w/;" in policy
    assert "unsafe" not in policy
    page = Page(text)
    assert all(each.get("src") for each in page.all("script"))
    assert not page.all("style")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    (preview,) = page.all("passerelle-switch")
    assert "mock" in preview
    assert "network" not in preview


async def test_the_page_offers_what_the_command_takes(widget: Path) -> None:
    async with (
        scene(widget_dir=widget, invite=str(INVITE)) as here,
        here.http.get(f"{here.url}/embed") as response,
    ):
        page = Page(await response.text())
    assert page.options("layout") == list(Layout)
    assert page.options("theme") == list(Theme)
    assert page.options("lang") == ["", *LANGUAGES]


async def test_a_networks_name_is_only_text(widget: Path) -> None:
    """The elements are the same, whatever the operator calls the network."""
    found = []
    for name in ("test", HOSTILE):
        network = msgspec.structs.replace(NETWORK, name=name)
        async with (
            scene(widget_dir=widget, invite=str(INVITE), descriptor=network) as here,
            here.http.get(f"{here.url}/embed") as response,
        ):
            page = Page(await response.text())
        found.append([tag_name for tag_name, _ in page.elements])
        assert name in "".join(page.texts.values())
    assert found[0] == found[1]


async def test_a_broker_that_does_not_know_its_invite_asks_for_it(widget: Path) -> None:
    async with (
        scene(widget_dir=widget) as here,
        here.http.get(f"{here.url}/embed") as response,
    ):
        page = Page(await response.text())
    (network,) = [each for each in page.all("input") if each.get("id") == "network"]
    assert network["value"] == ""
    assert "tag" not in page.texts
    (form,) = page.all("form")
    assert form["data-source"] == "https://broker.example/w/passerelle.0.js"


async def test_a_widget_without_the_page(tmp_path: Path) -> None:
    """Somebody else's build may leave it out; the rest is served."""
    write(tmp_path, "element", "embed")
    async with (
        scene(widget_dir=tmp_path) as here,
        here.http.get(f"{here.url}/embed") as response,
    ):
        assert response.status == 404
        assert re.search("settings page", await response.text())
