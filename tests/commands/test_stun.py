from __future__ import annotations

from ipaddress import ip_address

import pytest

from passerelle.commands.stun import parse
from passerelle.errors import ConfigError
from passerelle.io.net.stun import StunSettings, find_class
from passerelle.wire.signalling import NatClass
from tests.rig.ports import free_udp_ports
from tests.rig.program import PASSERELLE, Program


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((":3478", None, []), StunSettings(("",), (3478, 3479))),
        (("8.8.8.8:3478", None, []), StunSettings(("8.8.8.8",), (3478, 3479))),
        (
            ("8.8.8.8:3478", "8.8.4.4:5000", []),
            StunSettings(("8.8.8.8", "8.8.4.4"), (3478, 5000)),
        ),
        (
            ("10.0.0.1:1", "10.0.0.2:2", ["8.8.8.8", "8.8.4.4"]),
            StunSettings(
                ("10.0.0.1", "10.0.0.2"), (1, 2), (ip_address("8.8.8.8"), ip_address("8.8.4.4"))
            ),
        ),
        (("[::1]:5", "[::1]:7", []), StunSettings(("::1",), (5, 7))),
    ],
)
def test_options(options: tuple[str, str | None, list[str]], settings: StunSettings) -> None:
    """A server has two ports always, and two addresses if they are given."""
    assert parse(*options) == settings


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("3478", None, []), "no address to listen on"),
        ((":65535", None, []), "two ports"),
        (("8.8.8.8:1", "8.8.4.4:1", []), "same port"),
        ((":1", "8.8.4.4:2", []), "an address each"),
        ((":1", None, ["8.8.8.8", "8.8.4.4"]), "more --public"),
        ((":1", None, ["here"]), "wants an IP address"),
    ],
)
def test_bad_options_are_told(options: tuple[str, str | None, list[str]], sentence: str) -> None:
    """The error says what is wrong, and what to do."""
    with pytest.raises(ConfigError, match=sentence):
        parse(*options)


async def test_the_program_answers_and_says_nothing_of_it() -> None:
    """A client without NAT gets its answers from two addresses; the output holds no address."""
    one, two = free_udp_ports(2)
    command = ("stun", "--listen", f"127.0.0.1:{one}", "--other", f"127.0.0.2:{two}")
    async with Program(*PASSERELLE, *command) as server:
        await server.expect("STUN server starts on 4 sockets")
        assert await find_class([f"stun:127.0.0.1:{one}"]) is NatClass.OPEN
        await server.stop()
        assert server.returncode == 0
        assert "127.0.0" not in "\n".join(server.lines)


async def test_a_taken_port_is_told() -> None:
    """The error is one sentence."""
    one, two = free_udp_ports(2)
    command = ("stun", "--listen", f"127.0.0.1:{one}", "--other", f"127.0.0.1:{two}")
    async with Program(*PASSERELLE, *command) as server:
        await server.expect("starts")
        async with Program(*PASSERELLE, *command) as second:
            assert await second.wait() == 1
            assert "another program is using it" in second.lines[-1]
