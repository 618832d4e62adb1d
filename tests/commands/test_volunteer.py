"""The command `volunteer`, as the program that a person starts."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
import time
from pathlib import Path

import pytest

from passerelle.client.notices import LinkDown, LinkUp
from passerelle.commands import volunteer
from passerelle.commands.running import SERVER_PACKAGES
from passerelle.errors import ConfigError
from passerelle.io.webrtc.engine import choose
from passerelle.volunteer.status import Status
from tests.chrome import needs_chrome
from tests.network import KEYS, network
from tests.program import passerelle

ONE = Status(
    state="waiting", reason="", people=0, places=20, helped=0, failed=0, day_bytes=0,
    month_bytes=0, total_bytes=0, state_s=1.0, last_helped_s=None, nat="open", reach="everybody",
    demand="some", country="DE",
)  # fmt: skip


@needs_chrome
async def test_it_helps_tells_its_status_and_leaves_in_good_order(tmp_path: Path) -> None:
    """At SIGTERM the reader is asked to move on, and all is over within two seconds.

    It is installed without the packages of servers, as a reader's client is.
    """
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in (*SERVER_PACKAGES, "uvloop"):
        (packages / f"{name}.py").write_text("raise ImportError('not installed')")
    async with network() as net:
        words = ["volunteer", "--invite", str(KEYS.invite(net.url)), "--state", str(tmp_path)]
        words += ["--metrics-port", "0"]
        few = {"PYTHONPATH": str(packages)}
        async with passerelle(words, **few) as program, asyncio.timeout(40):
            await program.until("Waiting for people to help.")
            client, watch = await net.client(engine=choose("chrome")[0])
            await watch.until(LinkUp)
            await program.until("Helping 1 of at most 20 people.")
            async with passerelle(["volunteer", "--status", "--json", *words[3:]], **few) as asked:
                assert await asked.ended() == 0, asked.output
                told = json.loads(asked.output)
            assert (told["state"], told["people"], told["helped"]) == ("helping", 1, 1)
            assert told["last_helped_s"] == 0
            async with passerelle(["volunteer", "--status", *words[3:]]) as asked:
                assert await asked.ended() == 0, asked.output
                assert "helped so far 1 people" in asked.output
                assert "last helped" not in asked.output
            begun = time.monotonic()
            program.process.send_signal(signal.SIGTERM)
            assert await program.ended() == 0, program.output
            assert time.monotonic() - begun < 8
            assert program.output.count("Leaving:") == 1
            await program.gone()
            down = await watch.until(LinkDown)
            assert isinstance(down, LinkDown)
            await client.close()


async def test_without_chromes_engine_it_refuses(tmp_path: Path) -> None:
    """Another engine would give the people it helps away."""
    (tmp_path / "webrtc.py").write_text("raise ImportError('no wheel')")
    words = ["volunteer", "--invite", str(KEYS.invite("http://127.0.0.1:1"))]
    words += ["--state", str(tmp_path / "state")]
    async with passerelle(words, PYTHONPATH=str(tmp_path)) as program:
        assert await program.ended() == 1
    assert "Install passerelle[chrome]" in " ".join(program.output.split())


async def test_the_link_of_a_family_is_kept_and_in_no_output(tmp_path: Path) -> None:
    """It is an invite with a secret; --new-family withdraws it. A service's output is kept."""
    invite = str(KEYS.invite("http://127.0.0.1:1"))
    shown = []
    for option in ("--family", "--family", "--new-family"):
        words = ["volunteer", "--invite", invite, "--state", str(tmp_path), option]
        async with passerelle(words) as program, asyncio.timeout(40):
            await program.until("family-link")
            assert "family=" not in program.output
        kept = (tmp_path / "family-link").read_text()
        assert re.fullmatch(re.escape(invite) + r"&family=[A-Za-z0-9_-]{22}\n", kept)
        assert stat.S_IMODE((tmp_path / "family-link").stat().st_mode) == 0o600
        shown.append(kept)
    assert shown[0] == shown[1] != shown[2]


@needs_chrome
async def test_a_start_that_fails_changes_no_familys_link(tmp_path: Path) -> None:
    """Friends keep theirs, and the one in the file is the one that works."""
    words = ["volunteer", "--invite", str(KEYS.invite("http://127.0.0.1:1"))]
    words += ["--state", str(tmp_path)]
    async with passerelle([*words, "--family"]) as first, asyncio.timeout(40):
        await first.until("family-link")
        await first.until("network cannot be reached")
        kept = [(tmp_path / name).read_bytes() for name in ("family", "family-link")]
        for more, said in ([], "Another volunteer runs"), (["--zone", "Mars/Base"], "no time zone"):
            async with passerelle([*words, "--new-family", *more]) as second:
                assert await second.ended() != 0
            assert said in second.output
        assert kept == [(tmp_path / name).read_bytes() for name in ("family", "family-link")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--zone", "Mars/Base"], "no time zone"),
        (["--hours", "8-9"], "cannot be read"),
        (["--ip", "5"], "--ip is 4, 6"),
        (["--json"], "--json is for --status"),
        (["--mbit", "nan"], "--mbit is 0.1 or more"),
        (["--person-mbit", "1e-9"], "--person-mbit is 0.1 or more"),
    ],
)
async def test_what_makes_no_sense_is_said(tmp_path: Path, more: list[str], said: str) -> None:
    words = ["volunteer", "--invite", str(KEYS.invite("http://127.0.0.1:1")), *more]
    async with passerelle([*words, "--state", str(tmp_path)]) as program:
        assert await program.ended() == 2
    assert said in program.output


def test_each_state_has_a_sentence() -> None:
    said = {volunteer.sentence(ONE)}
    for reason in volunteer.PAUSES:
        said.add(volunteer.sentence(replaced(state="paused", reason=reason)))
    for reason in ("connecting", "broker_unreachable", "broker_full"):
        said.add(volunteer.sentence(replaced(state="connecting", reason=reason)))
    said.add(volunteer.sentence(replaced(state="helping", people=2)))
    assert len(said) == len(volunteer.PAUSES) + 5
    assert "Lately, some people had to wait for a volunteer." in volunteer.readable(ONE)
    assert len(volunteer.readable(replaced(demand=""))) == len(volunteer.readable(ONE)) - 1
    assert "90 min ago" in "\n".join(volunteer.readable(replaced(last_helped_s=5400.0)))


def replaced(**changes: object) -> Status:
    return Status(**{**{name: getattr(ONE, name) for name in ONE.__struct_fields__}, **changes})


def test_a_zone_is_read() -> None:
    assert str(volunteer._zone("Europe/Berlin")) == "Europe/Berlin"
    assert volunteer._zone("") is None
    with pytest.raises(ConfigError):
        volunteer._zone("../etc/passwd")
