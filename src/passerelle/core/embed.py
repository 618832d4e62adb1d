"""The text that a publisher puts into a page: the tag, and lines for the page's security policy.

The tag holds the script's hash. The settings page of a broker (`/embed`) writes the same text in
the browser.
"""

from __future__ import annotations

import enum
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from passerelle.errors import ConfigError
from passerelle.serverlimits import EXTENSION_LINK_CHARS
from passerelle.wire.invite import Invite

LANGUAGES: Final = (
    *("en", "zh-Hans", "zh-Hant", "fa", "ru", "ar", "ug"),
    *("tr", "my", "vi", "es", "fr", "de"),
)
"""The languages of the switch. Without a choice it takes the page's, then the browser's."""
SCRIPT_PATH: Final = "/w/"
EXTENSIONS_PATH: Final = "/v1/extensions"
"""Where a broker names its network's extensions."""
_LINK = re.compile(r"https://[^\s\"'<>`\\]+")
_HOURS = re.compile(r"([01]?\d|2[0-4]):[0-5]\d-([01]?\d|2[0-4]):[0-5]\d")


class Layout(enum.StrEnum):
    """Shapes of the switch. The first is the default."""

    PANEL = "panel"
    INLINE = "inline"
    BANNER = "banner"
    FLOATING = "floating"


class Theme(enum.StrEnum):
    """Colours of the switch. The first is the default and follows the visitor's system."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Corner(enum.StrEnum):
    """Corners of the window in which the floating switch may stand."""

    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"


ROOM: Final = {
    Layout.PANEL: "440px",
    Layout.INLINE: "max(78px,118px - 6vw)",
    Layout.BANNER: "max(152px,340px - 22vw)",
}
"""The height of each layout that stands in the page's flow, as CSS: that of a first visit, between
the shortest and the longest of the languages. A tag reserves it, so that the page does not jump
when the script comes late."""


@dataclass(frozen=True, slots=True)
class Script:
    """The script of the switch, as pages load it."""

    file: str
    """The file's name under the broker's `/w/`."""
    integrity: str
    """The file's hash, as the tag's `integrity` attribute has it (Subresource Integrity §3)."""

    def source(self, base: str) -> str:
        """Return the script's URL at the broker whose URL is `base`."""
        return f"{base}{SCRIPT_PATH}{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Where the network's extension is, for each browser that can install it; empty for none.

    Raises ConfigError for anything but an https link of at most EXTENSION_LINK_CHARS characters.
    """

    chromium: str = ""
    firefox: str = ""

    def __post_init__(self) -> None:
        for link in (self.chromium, self.firefox):
            if len(link) > EXTENSION_LINK_CHARS or (link and not _LINK.fullmatch(link)):
                raise ConfigError(
                    f"{link!r} is no link to an extension: it looks like "
                    "https://store.example/passerelle."
                )

    def links(self) -> dict[str, str]:
        """Return the links that there are, by browser."""
        given = {"chromium": self.chromium, "firefox": self.firefox}
        return {browser: link for browser, link in given.items() if link}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The publisher's choices. A field left at its default is not written into the tag.

    Raises ConfigError for a language that the switch does not speak and for malformed hours.
    """

    layout: Layout = Layout.PANEL
    corner: Corner | None = None
    """Where the floating layout stands. None means at the bottom, where the page's lines end."""
    theme: Theme = Theme.AUTO
    language: str | None = None
    people: int | None = None
    """The most people to help at once."""
    mbit: float | None = None
    """The most to relay, in 10⁶ bits a second."""
    megabytes: int | None = None
    """The most to relay, in 10⁶ bytes a day."""
    hours: str | None = None
    """The hours in which to help, such as 22:00-06:30, by the visitor's clock."""
    keep: bool = True
    """Whether a visitor who helps is offered to go on after leaving the page."""
    extensions: Extensions = Extensions()
    """The extensions that are offered then, beside the small window."""

    def __post_init__(self) -> None:
        if self.language is not None and self.language not in LANGUAGES:
            raise ConfigError(
                f"The switch does not speak {self.language!r}. Take one of {', '.join(LANGUAGES)}, "
                "or none: it then follows the page."
            )
        if self.hours is not None and not _HOURS.fullmatch(self.hours):
            raise ConfigError(
                f"{self.hours!r} are no hours. Write them like 22:00-06:30, by the visitor's clock."
            )

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the tag whose values are not the switch's defaults."""
        given: Mapping[str, object | None] = {
            "layout": None if self.layout is Layout.PANEL else self.layout,
            "corner": self.corner,
            "theme": None if self.theme is Theme.AUTO else self.theme,
            "lang": self.language,
            "people": self.people,
            "mbit": None if self.mbit is None else f"{self.mbit:g}",
            "megabytes": self.megabytes,
            "hours": self.hours,
            **(self.extensions.links() if self.keep else {"keep": "none"}),
        }
        return {name: str(value) for name, value in given.items() if value is not None}


def tag(script: Script, invite: Invite, choices: Choices | None = None) -> str:
    """Return the HTML for a publisher's page: the script tag with its hash, and the switch.

    The switch's `style` reserves its room until the script has come.
    """
    choices = choices or Choices()
    # A family's token is a secret, and ways are for readers' programs.
    attributes = {"network": str(invite.plain), **choices.attributes()}
    if choices.layout in ROOM:
        attributes["style"] = f"display:block;min-height:{ROOM[choices.layout]}"
    words = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    source = html.escape(script.source(invite.url))
    return (
        f'<script type="module" src="{source}" integrity="{html.escape(script.integrity)}"'
        " crossorigin></script>\n"
        f"<passerelle-switch{words}></passerelle-switch>"
    )


def policy(url: str, brokers: Sequence[str], exits: Sequence[str]) -> str:
    """Return what a page's Content Security Policy must allow, one directive in each line.

    `url` is the URL of the broker that serves the script. `brokers` (https URLs) and `exits` (wss
    URLs) are those of the network's descriptor.
    """
    script = _origin(url)
    hosts = [script]
    for broker in brokers:
        hosts += [_origin(broker), _socket(_origin(broker))]
    hosts += [_origin(url) for url in exits]
    return "\n".join(
        [
            f"script-src {script};",
            f"connect-src {' '.join(dict.fromkeys(hosts))};",
            "worker-src blob:;",
        ]
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _socket(origin: str) -> str:
    return "ws" + origin.removeprefix("http")
