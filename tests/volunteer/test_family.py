"""A volunteer that helps only people with its link."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from passerelle.client.notices import FamilyPresence, LinkUp, NoVolunteer
from passerelle.errors import LocalError
from passerelle.io.webrtc.engine import choose
from passerelle.volunteer.family import FILE, token
from passerelle.volunteer.status import as_json
from passerelle.wire import base64url
from tests.chrome import needs_chrome
from tests.client.test_service import BODY, curl, site
from tests.network import HOST, network
from tests.volunteer.rig import volunteering

TOKEN = bytes(range(16))


def test_a_token_is_kept_and_a_new_one_takes_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = token(folder, anew=False)
    assert len(first) == 16
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert token(folder, anew=False) == first
    second = token(folder, anew=True)
    assert second != first
    assert token(folder, anew=False) == second
    assert [each.name for each in folder.iterdir()] == [FILE]


def test_a_file_that_holds_no_token_is_said(tmp_path: Path) -> None:
    for content in (b"", b"nothing", bytes(100), b"\xff" * 22):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(LocalError, match="--new-family"):
            token(tmp_path, anew=False)
    token(tmp_path, anew=True)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(LocalError, match="cannot be used"):
        token(tmp_path, anew=False)


@needs_chrome
async def test_people_with_the_link_are_helped_and_nobody_else() -> None:
    """Those without it are told that nobody is there; the link never shows in the status."""
    async with network() as net, site() as url, volunteering(net, family=TOKEN) as volunteer:
        stranger, told = await net.client(engine=choose("python")[0])
        await told.until(NoVolunteer)
        invite = replace(net.client_config().invite, family=TOKEN)
        friend, watch = await net.client(engine=choose("python")[0], invite=invite)
        assert await curl("-x", f"socks5h://{HOST}:{friend.port}", url) == (0, BODY)
        assert FamilyPresence(helps=True) in watch.notices
        assert told.count(LinkUp) == 0
        status = volunteer.program.status()
        assert (status.people, status.only_family) == (1, True)
        assert base64url.encode(TOKEN) not in as_json(status)
        for one in (friend, stranger):
            await one.close()


@needs_chrome
async def test_a_link_that_was_withdrawn_is_said_and_others_help() -> None:
    async with network() as net, volunteering(net):
        invite = replace(net.client_config().invite, family=TOKEN)
        client, watch = await net.client(engine=choose("python")[0], invite=invite)
        await watch.until(LinkUp)
        assert watch.notices.count(FamilyPresence(helps=False)) == 1
        await client.close()
