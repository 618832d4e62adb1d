"""The tag and the policy lines that a publisher is given."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.embed import LANGUAGES, Choices, Corner, Layout, Script, Theme, policy, tag
from passerelle.errors import ConfigError
from passerelle.wire.invite import Invite
from passerelle.wire.ways import DirectWay

SCRIPT = Script("passerelle.3f2a9c01.js", "sha384-AAAA")
INVITE = Invite("https://broker.example", bytes(32))


class Elements(HTMLParser):
    """The elements of a text, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_tag_without_choices_names_network_and_hash() -> None:
    (_, script), (_, switch) = Elements(tag(SCRIPT, INVITE)).found
    assert script == {
        "type": "module",
        "src": "https://broker.example/w/passerelle.3f2a9c01.js",
        "integrity": "sha384-AAAA",
        "crossorigin": None,
    }
    assert switch == {"network": str(INVITE), "style": "display:block;min-height:440px"}


def test_a_tag_gives_no_family_away() -> None:
    """A page shows its tag to everybody."""
    assert tag(SCRIPT, replace(INVITE, family=bytes(16), ways=(DirectWay(),))) == tag(
        SCRIPT, INVITE
    )


@pytest.mark.parametrize("layout", Layout)
def test_a_tag_keeps_the_switchs_room_free(layout: Layout) -> None:
    """A layout in the page's flow has its room reserved; the floating one takes none."""
    _, (_, switch) = Elements(tag(SCRIPT, INVITE, Choices(layout=layout))).found
    assert ("min-height" in (switch.get("style") or "")) is (layout is not Layout.FLOATING)


def test_every_choice_becomes_an_attribute() -> None:
    choices = Choices(
        layout=Layout.FLOATING,
        corner=Corner.TOP_LEFT,
        theme=Theme.DARK,
        language="fa",
        people=3,
        mbit=2.50,
        megabytes=500,
        hours="22:00-06:30",
    )
    _, (_, switch) = Elements(tag(SCRIPT, INVITE, choices)).found
    assert switch == {
        "network": str(INVITE),
        "layout": "floating",
        "corner": "top-left",
        "theme": "dark",
        "lang": "fa",
        "people": "3",
        "mbit": "2.5",
        "megabytes": "500",
        "hours": "22:00-06:30",
    }


@given(st.text(), st.text(), st.text())
def test_nothing_breaks_out_of_an_attribute(url: str, file: str, integrity: str) -> None:
    """Whatever a server calls its files, a page gets these two elements and no other."""
    found = Elements(tag(Script(file, integrity), Invite(url, bytes(32)))).found
    assert [name for name, _ in found] == ["script", "passerelle-switch"]
    assert set(found[0][1]) == {"type", "src", "integrity", "crossorigin"}
    assert set(found[1][1]) == {"network", "style"}


@pytest.mark.parametrize("language", ["xx", "EN", "", 'en" onclick="'])
def test_a_language_the_switch_does_not_speak(language: str) -> None:
    """The sentence lists those it does."""
    with pytest.raises(ConfigError, match=LANGUAGES[-1]):
        Choices(language=language)


@pytest.mark.parametrize("hours", ["22-6", "25:00-06:00", "22:00", "22:60-23:00", "8:00–9:00", ""])
def test_hours_that_are_none(hours: str) -> None:
    with pytest.raises(ConfigError, match="22:00-06:30"):
        Choices(hours=hours)


def test_the_policy_names_every_server_once_and_paths_never() -> None:
    lines = policy(
        "https://broker.example/behind/a/proxy",
        ["https://broker.example", "http://127.0.0.1:8080"],
        ["wss://exit.example/v1/link", "wss://broker.example/v1/link", "wss://exit.example/2"],
    )
    assert lines.splitlines() == [
        "script-src https://broker.example;",
        "connect-src https://broker.example wss://broker.example http://127.0.0.1:8080"
        " ws://127.0.0.1:8080 wss://exit.example;",
        "worker-src blob:;",
    ]
