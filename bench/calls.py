"""Video calls between two real browsers, of the kinds that people make."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from tests.lab import Namespace
from tests.lab.browser import LabBrowser

PAGE = Path(__file__).with_name("call.js")
FLAGS = (
    # A page that may use the camera, as a page that calls may, tells its true addresses.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
)
START_S = 30.0


@dataclass(frozen=True, slots=True)
class End:
    """What one end of a call sends."""

    width: int
    height: int
    frames: int
    """Pictures a second."""
    noise: float = 0.1
    """How much of the picture is a sensor's noise, 0 to 1: in bad light it is much."""
    motion: float = 25
    """How far a person moves when he moves, in pixels."""
    talk: float = 0.5
    """The share of time in which he talks."""
    kbit: int = 0
    """The application's own bound on the video, in kbit/s; 0 leaves it to the browser."""
    screen: bool = False
    """Whether it is a screen with text and not a camera."""
    quiet: bool = False
    """Whether the sound stops while nobody talks."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call: its two ends."""

    near: End
    """The end at the reader's place."""
    far: End


KINDS: Final = {
    "lively": Kind(End(640, 360, 30), End(640, 360, 30)),
    "calm": Kind(
        End(640, 360, 30, noise=0, motion=6, talk=0.2),
        End(640, 360, 30, noise=0.01, motion=10, talk=0.7),
    ),
    "large": Kind(End(640, 360, 30), End(1280, 720, 20, noise=0.06)),
    "screen": Kind(
        End(640, 360, 15, noise=0.05, motion=10, talk=0.2),
        End(1280, 720, 15, talk=0.8, screen=True),
    ),
    "bounded": Kind(
        End(640, 360, 25, kbit=600, quiet=True), End(640, 360, 25, kbit=800, quiet=True)
    ),
}


class Calls:
    """Two browsers, between which calls begin and end; use it as a context manager."""

    def __init__(self, near: Namespace, far: Namespace) -> None:
        self.near = LabBrowser(near, *FLAGS)
        self.far = LabBrowser(far, *FLAGS)
        for browser in (self.near, self.far):
            browser.eval(f"() => {{ {PAGE.read_text(encoding='utf-8')} }}", timeout_s=START_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.near.close()
        self.far.close()

    def begin(self, name: str, kind: str) -> None:
        """Begin a call, and wait until it is connected."""
        ends = KINDS[kind]
        offer = self._say(self.near, "offer", name, asdict(ends.near))
        answer = self._say(self.far, "answer", name, asdict(ends.far), offer)
        self._say(self.near, "accept", name, answer)
        self.near.wait(f"calls.connected({json.dumps(name)})", timeout_s=START_S)

    def end(self, name: str) -> None:
        """End a call at both ends."""
        for browser in (self.near, self.far):
            self._say(browser, "end", name)

    def sent(self, name: str) -> list[object]:
        """Return what each browser tells of the video that it sends."""
        return [self._say(browser, "sent", name) for browser in (self.near, self.far)]

    def _say(self, browser: LabBrowser, function: str, *words: object) -> object:
        text = ", ".join(map(json.dumps, words))
        return browser.eval(f"() => calls.{function}({text})", timeout_s=START_S)
