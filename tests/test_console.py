from __future__ import annotations

from typing import get_args

import pytest

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
from passerelle.console import UNREACHABLE, News, printable, sentence
from passerelle.wire.signalling import NatClass

EXAMPLES = {
    PortOpen("127.0.0.1", 1080): "Proxy open at 127.0.0.1:1080 (SOCKS5 and HTTP), not connected "
    "yet. Press Ctrl-C to end.",
    NetworkLoaded("Harbour"): "The network's description is good: Harbour.",
    NatFound(NatClass.RESTRICTED): "This network is behind an ordinary NAT: most volunteers can "
    "help.",
    Searching(): "Looking for a volunteer …",
    NoVolunteer(4.6): "No volunteer is available right now. The client keeps asking.",
    BrokerUnreachable("It did not answer.", 0.2): "The network's broker cannot be reached: "
    "It did not answer. The client keeps trying. If other sites work, it may be blocked here: "
    "`passerelle friend` gets you in with a friend's help.",
    BrokerUnreachable(
        UNREACHABLE, 3
    ): "The network's broker cannot be reached. The client keeps trying. "
    "If other sites work, it may be blocked here: `passerelle friend` gets you in with a friend's "
    "help.",
    LinkUp(2, (("ice", 0.1),), media=True): "Connected through a volunteer (link 2, downloads as "
    "video, set up in 100 ms).",
    LinkUp(1, (("ice", 0.1), ("tls", 0.05))): "Connected through a volunteer (link 1, set up in "
    "150 ms).",
    LinkDown(1, "the volunteer left"): "Link 1 ended: the volunteer left.",
    FamilyPresence(helps=True): "One of the volunteers is the friend whose link you use.",
    FamilyPresence(helps=False): "The friend whose link you use is not helping now, or has made a "
    "new link. Ask for it if this stays. Other volunteers help meanwhile.",
    HandshakesDropped(): "Volunteers answer, but the encrypted handshake with them does not get "
    "through: this network may block Passerelle's own WebRTC. Try `--engine chrome`, whose "
    "handshake is a browser's; passerelle[chrome] brings it.",
}


@pytest.mark.parametrize("notice", EXAMPLES)
def test_each_notice_is_a_sentence(notice: Notice) -> None:
    """The sentence says what happened, why, and what is done about it."""
    assert sentence(notice) == EXAMPLES[notice]


@pytest.mark.parametrize("nat", NatClass)
def test_each_class_of_nat_has_its_sentence(nat: NatClass) -> None:
    """The sentence does not use the engineers' word for the class."""
    assert nat.value not in sentence(NatFound(nat)).split()


def test_every_notice_has_an_example() -> None:
    """The examples of these tests hold every kind of notice."""
    assert {type(notice) for notice in EXAMPLES} == set(get_args(Notice))


def test_foreign_text_cannot_steer_the_terminal() -> None:
    """Control characters in a network's name are replaced."""
    assert printable("Har\x1b[2Jbour\r\n") == "Har�[2Jbour��"
    assert "\x1b" not in sentence(NetworkLoaded("\x1b]0;owned\x07"))


def told(*notices: Notice, link_count: int = 0) -> list[Notice]:
    """Return the notices that are news, when all come one after the other."""
    news = News()
    return [each for each in notices if news.holds(each, link_count=link_count)]


def test_a_trouble_that_lasts_is_told_once() -> None:
    """The pause differs from try to try, and the search in between is no news."""
    silent, other = BrokerUnreachable("silent", 1), BrokerUnreachable("the clock is wrong", 1)
    again = BrokerUnreachable("silent", 9)
    assert told(Searching(), silent, Searching(), again) == [Searching(), silent]
    assert told(NoVolunteer(2), Searching(), NoVolunteer(5)) == [NoVolunteer(2)]
    assert told(silent, other, NoVolunteer(2), silent) == [silent, other, NoVolunteer(2), silent]


@pytest.mark.parametrize("better", [NetworkLoaded("Harbour"), LinkUp(1, ())])
def test_a_trouble_that_comes_back_is_told_again(better: Notice) -> None:
    """What went well in between ends the trouble before."""
    silent = BrokerUnreachable("silent", 1)
    notices = [silent, better, Searching(), silent]
    assert told(*notices) == notices


def test_nothing_is_said_of_looking_for_spares() -> None:
    """A person who is connected need not know of it."""
    assert told(Searching(), LinkDown(1, "gone"), link_count=1) == [LinkDown(1, "gone")]
