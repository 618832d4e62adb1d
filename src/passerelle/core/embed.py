"""What a publisher puts into a page: the tag with the script's hash, and lines for a page's policy.

The settings page of a broker (`/embed`) writes the same in the browser.
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
from passerelle.wire.invite import Invite

LANGUAGES: Final = (
    *("en", "zh-Hans", "zh-Hant", "fa", "ru", "ar", "ug"),
    *("tr", "my", "vi", "es", "fr", "de"),
)
"""What the switch speaks; without a choice it follows the page, then the visitor's browser."""
SCRIPT_PATH: Final = "/w/"
_HOURS = re.compile(r"([01]?\d|2[0-4]):[0-5]\d-([01]?\d|2[0-4]):[0-5]\d")


class Layout(enum.StrEnum):
    """Shapes of the switch; the first is the usual one."""

    INLINE = "inline"
    BANNER = "banner"
    PANEL = "panel"
    FLOATING = "floating"


class Theme(enum.StrEnum):
    """Colours of the switch; the first follows the visitor's system."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Script:
    """The file that pages load."""

    file: str
    """Its name under the broker's `/w/`."""
    integrity: str
    """Its hash, in the form that pages give it (Subresource Integrity §3)."""

    def source(self, base: str) -> str:
        """Return its URL at the broker whose URL is `base`."""
        return f"{base}{SCRIPT_PATH}{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the publisher decides; what is left alone is not written into the tag."""

    layout: Layout = Layout.INLINE
    theme: Theme = Theme.AUTO
    language: str | None = None
    people: int | None = None
    """People helped at once, at most."""
    mbit: float | None = None
    """10⁶ bits relayed a second, at most."""
    megabytes: int | None = None
    """10⁶ bytes carried a day, at most."""
    hours: str | None = None
    """When to help, as 22:00-06:30 of the visitor's clock."""

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
        """Return the attributes that differ from what the switch does without them."""
        given: Mapping[str, object | None] = {
            "layout": None if self.layout is Layout.INLINE else self.layout,
            "theme": None if self.theme is Theme.AUTO else self.theme,
            "lang": self.language,
            "people": self.people,
            "mbit": None if self.mbit is None else f"{self.mbit:g}",
            "megabytes": self.megabytes,
            "hours": self.hours,
        }
        return {name: str(value) for name, value in given.items() if value is not None}


def tag(script: Script, invite: Invite, choices: Choices | None = None) -> str:
    """Return the tag for a publisher's page, with the script's exact hash in it."""
    attributes = {"network": str(invite), **(choices or Choices()).attributes()}
    words = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    source = html.escape(script.source(invite.url))
    return (
        f'<script type="module" src="{source}" integrity="{html.escape(script.integrity)}"'
        " crossorigin></script>\n"
        f"<passerelle-switch{words}></passerelle-switch>"
    )


def policy(url: str, brokers: Sequence[str], exits: Sequence[str]) -> str:
    """Return what a page's Content Security Policy must allow, a directive a line.

    `url` is that of the broker which serves the script; `brokers` are https URLs, `exits` wss URLs:
    those of the network's descriptor.
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
