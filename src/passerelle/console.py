"""The sentences in which the client tells a person what happens."""

from __future__ import annotations

from typing import assert_never

from passerelle.client.notices import (
    BrokerUnreachable,
    FamilyPresence,
    HandshakesDropped,
    LinkDown,
    LinkUp,
    NatFound,
    NetworkLoaded,
    Notice,
    NoVolunteer,
    PortOpen,
    Searching,
)
from passerelle.wire.signalling import NatClass

UNREACHABLE = "the broker cannot be reached"
"""The reason that says no more than the sentence around it."""
_NATS = {
    NatClass.OPEN: "This network can be reached from outside: every volunteer can help.",
    NatClass.RESTRICTED: "This network is behind an ordinary NAT: most volunteers can help.",
    NatClass.SYMMETRIC: "This network's NAT takes another port for every connection: only some "
    "volunteers can help, and finding one may take longer.",
    NatClass.BLOCKED: "No STUN server answers: this network seems to block UDP, and volunteers may "
    "be out of reach. Another network, such as a phone's, may do better.",
    NatClass.UNKNOWN: "What this network's NAT does could not be found out.",
}


class News:
    """Tells which notices say something that the person was not told before.

    While an application waits, the client asks every two seconds. One sentence about each trouble
    is enough, until it passes or another takes its place.
    """

    def __init__(self) -> None:
        self._trouble: str | None = None
        """The sentence about the trouble that lasts."""

    def holds(self, notice: Notice, *, link_count: int) -> bool:
        """Return whether `notice` is news, at a time when so many links are up."""
        match notice:
            case Searching():
                return not link_count and self._trouble is None
            case NoVolunteer() | BrokerUnreachable():
                before, self._trouble = self._trouble, sentence(notice)
                return self._trouble != before
            case NetworkLoaded() | LinkUp():
                self._trouble = None
            case _:
                pass
        return True


def sentence(notice: Notice) -> str:
    """Return what `notice` means for the person who runs the client."""
    match notice:
        case PortOpen(host, port):
            return (
                f"Proxy open at {host}:{port} (SOCKS5 and HTTP), not connected yet. "
                "Press Ctrl-C to end."
            )
        case NetworkLoaded(name):
            return f"The network's description is good: {printable(name)}."
        case NatFound(nat):
            return _NATS[nat]
        case Searching():
            return "Looking for a volunteer …"
        case NoVolunteer():
            return "No volunteer is available right now. The client keeps asking."
        case BrokerUnreachable(reason):
            plain = printable(reason).rstrip(".")
            why = "" if plain == UNREACHABLE else f": {plain}"
            return (
                f"The network's broker cannot be reached{why}. The client keeps trying. If other "
                "sites work, it may be blocked here: `passerelle friend` gets you in with a "
                "friend's help."
            )
        case LinkUp(link, steps, media, server):
            total_ms = 1000 * sum(seconds for _, seconds in steps)
            if server is not None:
                return (
                    f"No volunteer is reached, so the server {printable(server)} carries what you "
                    f"read, sealed, until one is (link {link}, set up in {total_ms:.0f} ms)."
                )
            video = "downloads as video, " if media else ""
            return (
                f"Connected through a volunteer (link {link}, {video}set up in {total_ms:.0f} ms)."
            )
        case LinkDown(link, reason):
            return f"Link {link} ended: {printable(reason).rstrip('.')}."
        case HandshakesDropped():
            return (
                "Volunteers answer, but the encrypted handshake with them does not get through: "
                "this network may block Passerelle's own WebRTC. Try `--engine chrome`, whose "
                "handshake is a browser's; passerelle[chrome] brings it."
            )
        case FamilyPresence(helps=True):
            return "One of the volunteers is the friend whose link you use."
        case FamilyPresence():
            return (
                "The friend whose link you use is not helping now, or has made a new link. Ask for "
                "it if this stays. Other volunteers help meanwhile."
            )
        case _:
            assert_never(notice)


def printable(text: str) -> str:
    """Return `text` with characters that could steer a terminal replaced by U+FFFD."""
    return "".join(character if character.isprintable() else "�" for character in text)
