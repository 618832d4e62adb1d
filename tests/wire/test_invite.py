from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire import invite
from passerelle.wire.invite import Invite
from passerelle.wire.ways import AmpWay, FrontedWay
from tests.wire.strategies import INVITES

KEY = "A" * 43


@given(INVITES)
def test_round_trip(value: Invite) -> None:
    """An invite's text reads back to the same invite, with or without blanks around it."""
    assert invite.parse(str(value)) == value
    assert invite.parse(f"  {value}\n") == value


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"https://broker.example/#{KEY}", "https://broker.example"),
        (f"https://broker.example#{KEY}", "https://broker.example"),
        (f"https://broker.example/net/#{KEY}", "https://broker.example/net"),
        (f"http://127.0.0.1:8080/#{KEY}", "http://127.0.0.1:8080"),
        (f"https://[2001:db8::1]:8443/#{KEY}", "https://[2001:db8::1]:8443"),
    ],
)
def test_the_base_url_has_no_trailing_slash(text: str, url: str) -> None:
    """The slash is cut off, so that paths can be appended."""
    assert invite.parse(text) == Invite(url, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        f"\u200e\u200bhttps://broker.example/#{KEY}\u200f",
        f"“https://broker.example/#{KEY}”",
        f"https://broker.example/#{KEY}.",
        f"https://broker.example/%23{KEY}",
        f"https://broker.example/#{KEY[:9]}\u200b{KEY[9:]}",
        f"<https://broker.example/#{KEY}>,",
        f"_https://broker.example/#{KEY}_",
        f"https://broker.example/#{KEY}%E2%80%8B%20",
        f"[Passerelle](https://broker.example/#{KEY})",
        f"[https://broker.example/#{KEY}](https://broker.example/#{KEY})",
        f"<https://broker.example/#{KEY}|the network>",
        f"Use https://broker.example/#{KEY}, it works (I think).",
        f"*Mine:* `https://broker.example/#{KEY}`",
        f"Voilà\u00a0: «\u00a0https://broker.example/#{KEY}\u00a0»",
        f"see _https://broker.example/#{KEY}_",
        f"https://broker.example/#\ufe0f{KEY[:9]}\u3164{KEY[9:]}",
    ],
)
def test_an_invite_as_chats_deliver_it(text: str) -> None:
    """What chats and mails add to a link is taken off."""
    assert invite.parse(text) == Invite("https://broker.example", bytes(32))


def test_ways_in_a_sentence_and_an_address_in_brackets() -> None:
    """The marks around an invite are not those of an IPv6 address, and ways have commas."""
    made = Invite("https://[2001:db8::1]:8443", bytes(32), (FRONTED, AMP))
    assert invite.parse(f"[it]({made}), or ({made}).") == made


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must start with https://"),
        ("broker.example", "must start with https://"),
        (f"ftp://broker.example/#{KEY}", "must start with https://"),
        (f"https:///#{KEY}", "must start with https://"),
        (f"https://broker.example:0/#{KEY}", "must start with https://"),
        (f"https://broker.example:99999/#{KEY}", "not a URL"),
        (f"https://[broker/#{KEY}", "not a URL"),
        (f"https://user:pw@broker.example/#{KEY}", "parts that no invite has"),
        (f"https://broker.example/?a=b#{KEY}", "parts that no invite has"),
        ("https://broker.example/", "part after # is missing"),
        ("https://broker.example/#", "part after # is missing"),
        ("https://broker.example/#A=A", "part after # is damaged"),
        (f"https://broker.example/#{KEY[:-1]}B", "part after # is damaged"),
        (f"https://broker.example/#{KEY[:-3]}", "is incomplete: it has 40 characters"),
        (f"https://broker.example/#{KEY[:-5]}…", "is incomplete: it has 38 characters"),
        (f"https://broker.example/#{KEY}{KEY[:43]}", "is too long: it has 86 characters"),
        (f"https://broker.example/#{KEY}%41", "damaged: there is “%”"),
        (f"https://broker.example/#{KEY}%FF", "damaged: there is “%”"),
        (f"https://bro\nker.example/#{KEY}", r"a blank or a line end in it, \(U\+000A\)"),
        (f"https://broker .example/#{KEY}", r"a blank or a line end in it, \(U\+0020 SPACE\)"),
        (
            f"https://broker.example/#{KEY[:9]}–{KEY[10:]}",
            r"damaged: there is “–” \(U\+2013 EN DASH",
        ),
        ("https://broker.example/" + "a" * limits.INVITE_CHARS, "too long"),
    ],
)
def test_a_bad_invite_says_why_and_what_to_do(text: str, reason: str) -> None:
    """One sentence says what is wrong, and how to get a good invite."""
    with pytest.raises(ConfigError, match=reason) as caught:
        invite.parse(text)
    assert "Copy the whole invite again" in str(caught.value)


@given(st.text(max_size=100) | st.text(max_size=60).map("https://broker.example/{}".format))
def test_garbage_gives_only_config_errors(text: str) -> None:
    """No text raises anything but ConfigError, and an invite that parses has a whole key."""
    try:
        value = invite.parse(text)
    except ConfigError:
        return
    assert len(value.operator_key) == 32


@given(st.text(max_size=80))
def test_garbage_before_a_good_key(text: str) -> None:
    """A broker's URL is a clean one, or the invite is refused."""
    try:
        value = invite.parse(f"https://{text}/#{KEY}")
    except ConfigError:
        return
    assert value.url.isprintable()
    assert " " not in value.url
    assert invite.parse(str(value)) == value


FRONTED = FrontedWay("https://d123.cdn.example", "popular.example")
AMP = AmpWay("https://cdn.ampproject.org", "popular.example")


def test_an_invite_may_name_ways() -> None:
    """Ways follow the key in their order; the plain invite has none."""
    made = Invite("https://broker.example", bytes(32), (FRONTED, AMP))
    assert str(made) == (
        f"https://broker.example/#{KEY}&fronted=popular.example,https://d123.cdn.example"
        "&amp=popular.example,https://cdn.ampproject.org"
    )
    assert invite.parse(str(made)) == made
    assert str(made.plain) == f"https://broker.example/#{KEY}"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("&pigeon=a", "damaged"),
        ("&fronted=popular.example", "damaged"),
        ("&amp=https://a.example" * (limits.WAYS + 1), "too many ways"),
    ],
)
def test_bad_ways_in_an_invite(more: str, reason: str) -> None:
    """An invite with a damaged way is refused as a whole."""
    with pytest.raises(ConfigError, match=reason):
        invite.parse(f"https://broker.example/#{KEY}{more}")
