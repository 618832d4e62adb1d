"""Tokens and tags of families, and the invites that hold a token."""

from __future__ import annotations

from dataclasses import replace

import pytest

from passerelle.errors import ConfigError
from passerelle.wire import base64url, family, invite
from passerelle.wire.invite import Invite
from passerelle.wire.ways import DoorWay

KEY = bytes(range(32))
TOKEN = bytes(range(16))
NETWORK = Invite("https://broker.example", KEY, (DoorWay("https://door.example"),))
LINK = replace(NETWORK, family=TOKEN)


def test_a_tag_tells_nothing_of_its_token_and_is_for_one_network() -> None:
    tag = family.tag(TOKEN, KEY)
    assert len(tag) == family.TAG_BYTES
    assert tag == family.tag(TOKEN, KEY)
    assert len({tag, family.tag(TOKEN, bytes(32)), family.tag(bytes(16), KEY), TOKEN}) == 4


def test_a_link_is_an_invite_with_the_token() -> None:
    assert str(LINK) == (
        f"https://broker.example/#{base64url.encode(KEY)}&family={base64url.encode(TOKEN)}"
        "&door=https://door.example"
    )
    assert invite.parse(f"Use this: {LINK} (it is mine)") == LINK
    assert invite.parse(str(NETWORK)) == NETWORK
    assert invite.parse(str(LINK)).plain == NETWORK.plain
    shown = base64url.encode(TOKEN)
    assert shown not in repr(LINK)
    assert str(TOKEN) not in repr(LINK)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("family=", "damaged"),
        ("family=short", "damaged"),
        (f"family={base64url.encode(TOKEN)[:-1]}", "damaged"),
        (f"family={base64url.encode(TOKEN)}A", "damaged"),
        (f"family={base64url.encode(TOKEN)[:-1]}~", "damaged"),
        (f"family={base64url.encode(TOKEN)}&family={base64url.encode(KEY[:16])}", "two families"),
    ],
)
def test_a_damaged_link_is_said_and_not_repeated(written: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        invite.parse(f"https://broker.example/#{base64url.encode(KEY)}&{written}")
    assert base64url.encode(TOKEN)[:10] not in str(error.value)
