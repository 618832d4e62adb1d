"""Invites, tokens and logins reach a command without its command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from passerelle import cli
from passerelle.commands.localport import local_port
from passerelle.commands.secrets import LOGIN_VARIABLE
from passerelle.errors import ConfigError
from tests.rig.ports import free_port
from tests.rig.program import PASSERELLE, Program

SECRET = "A" * 43
LOGIN = "anna:correct horse"


def invite() -> str:
    return f"http://127.0.0.1:{free_port()}/#{SECRET}"


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_an_invite_from_a_file_is_in_no_command_line(tmp_path: Path) -> None:
    """`--invite-file` and `--token-file` take blanks and line ends with the text."""
    (tmp_path / "invite").write_text(f"\n {invite()}\n")
    (tmp_path / "token").write_text("sometoken\n")
    words = ("--invite-file", str(tmp_path / "invite"), "--token-file", str(tmp_path / "token"))
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--forget")
    async with Program(*PASSERELLE, "client", *words, *listen) as client:
        await client.expect("Proxy open")
        assert SECRET not in command_line(client.pid)


async def test_an_invite_from_the_environment_is_in_no_command_line() -> None:
    """`PASSERELLE_INVITE` stands for `--invite`."""
    words = ("client", "--listen", f"127.0.0.1:{free_port()}", "--forget")
    environment = ("env", f"PASSERELLE_INVITE={invite()}", "PASSERELLE_TOKEN=sometoken")
    async with Program(*environment, *PASSERELLE, *words) as client:
        await client.expect("Proxy open")
        assert SECRET not in command_line(client.pid)


@pytest.mark.parametrize("option", ["--invite", "--invite-file"])
async def test_invite_and_token_from_standard_input(option: str) -> None:
    """`-` reads a line of standard input for each, the invite's first."""
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--forget")
    async with Program(*PASSERELLE, "client", option, "-", "--token", "-", *listen) as client:
        await client.say(invite())
        await client.say("sometoken")
        await client.expect("Proxy open")
        assert SECRET not in command_line(client.pid)


@pytest.mark.parametrize("command", ["friend", "embed"])
def test_every_command_that_takes_an_invite_takes_it_from_a_file(
    command: str, tmp_path: Path
) -> None:
    """A bad invite in the file is told as one on the command line is."""
    (tmp_path / "invite").write_text("nonsense")
    done = subprocess.run(
        [*PASSERELLE, command, "--invite-file", str(tmp_path / "invite")],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "This invite cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        *(
            ((command, "--invite-file", "EMPTY"), "is empty. Put the invite into it")
            for command in ("client", "friend", "volunteer", "embed")
        ),
        (("page", "--out", "made", "--invite-file", "EMPTY"), "is empty. Put the invite into it"),
        (("client", "--token-file", "EMPTY"), "is empty. Put the token into it"),
        (("client", "--login-file", "EMPTY"), "is empty. Put the login into it"),
        (("friend", "--network", "EMPTY"), "is empty. Ask your friend"),
        (("client", "--invite-file", "-"), "that should be the invite is empty"),
        (("client", "--token", "-"), "that should be the token is empty"),
    ],
)
def test_what_is_empty_is_said_to_be_empty(
    words: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    """It is not taken for an option that was not given."""
    (tmp_path / "empty").write_text(" \n" if "--network" not in words else "")
    done = subprocess.run(
        [*PASSERELLE, *(str(tmp_path / "empty") if word == "EMPTY" else word for word in words)],
        env={**os.environ, "HOME": str(tmp_path), "PASSERELLE_INVITE": invite()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr


def test_each_secret_on_a_command_line_has_another_way() -> None:
    """Whatever command takes an invite or a token takes a file in its place."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        options = {option for each in command.params for option in each.opts}
        for secret in ("--invite", "--token"):
            assert secret not in options or f"{secret}-file" in options, name
        assert not options & {"--password", "--login", "--key", "--secret"}, name


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.2", "printer.example"])
def test_other_machines_are_not_let_in_without_a_login(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An address that others reach needs a login, from a file or the environment."""
    monkeypatch.delenv(LOGIN_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="let other machines use the proxy"):
        local_port(f"{host}:10080", None)
    (tmp_path / "login").write_text(f"{LOGIN}\n")
    _, from_file = local_port(f"{host}:10080", tmp_path / "login")
    monkeypatch.setenv(LOGIN_VARIABLE, LOGIN)
    _, from_environment = local_port(f"{host}:10080", None)
    assert from_file == from_environment is not None
    (tmp_path / "login").write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        local_port(f"{host}:10080", tmp_path / "login")


@pytest.mark.parametrize("host", ["127.0.0.1", "", "localhost", "[::1]", "127.9.9.9"])
def test_this_machine_needs_no_login(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback addresses are open to this machine's programs."""
    monkeypatch.delenv(LOGIN_VARIABLE, raising=False)
    assert local_port(f"{host}:10080", None)[1] is None


async def test_a_shared_proxy_asks_for_its_login(tmp_path: Path) -> None:
    """Both protocols want it at every address, and after many wrong ones nobody is answered."""
    (tmp_path / "login").write_text(LOGIN)
    (tmp_path / "invite").write_text(invite())
    port = free_port()
    words = ("--invite-file", str(tmp_path / "invite"), "--login-file", str(tmp_path / "login"))
    listen = ("--listen", f"0.0.0.0:{port}", "--forget")
    async with Program(*PASSERELLE, "client", *words, *listen) as client:
        await client.expect("Proxy open")
        assert await said(port, b"\x05\x01\x00") == b"\x05\xff"
        assert (await said(port, asked(b""))).startswith(b"HTTP/1.1 407 ")
        right = b"Proxy-Authorization: Basic " + b64encode(LOGIN.encode()) + b"\r\n"
        assert (await said(port, asked(right))).startswith(b"HTTP/1.1 503 ")
        assert await said(port, b"GET / HTTP/1.1\r\n\r\n") == b""
        wrong = b"\x05\x01\x02\x01\x04anna\x05wrong"
        answers = [await said(port, wrong) for _ in range(12)]
        assert answers[:10] == [b"\x05\x02\x01\x01"] * 10
        assert answers[10:] == [b"", b""]
        assert await said(port, asked(right)) == b""


def asked(fields: bytes) -> bytes:
    return b"GET http://site.example/ HTTP/1.1\r\nHost: site.example\r\n" + fields + b"\r\n"


async def said(port: int, data: bytes) -> bytes:
    """Return what the proxy answers to `data` before it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
