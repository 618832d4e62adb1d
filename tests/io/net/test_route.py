"""Where packets to the Internet come from."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

import pytest

from passerelle.io.net import route


class _Socket:
    """A UDP socket of a machine with given ways, which sends nothing."""

    ways: ClassVar[dict[socket.AddressFamily, str]] = {}

    def __init__(self, family: socket.AddressFamily, _kind: int) -> None:
        self._family = family

    def __enter__(self) -> _Socket:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def connect(self, _address: Any) -> None:
        if self._family not in self.ways:
            raise OSError("no route")

    def getsockname(self) -> tuple[str, int]:
        return self.ways[self._family], 40_000


@pytest.mark.parametrize(
    ("ways", "networks"),
    [
        ({}, ("", "")),
        ({socket.AF_INET: "10.0.0.7"}, ("10.0.0.7", "")),
        ({socket.AF_INET6: "2001:db8:1:2:3:4:5:6"}, ("", "2001:db8:1:2::/64")),
        ({socket.AF_INET6: "fe80::1%3"}, ("", "fe80::/64")),
    ],
)
def test_a_network_is_an_address_and_a_prefix(
    ways: dict[socket.AddressFamily, str],
    networks: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another address for privacy in the same /64 is the same network."""
    monkeypatch.setattr(_Socket, "ways", ways)
    monkeypatch.setattr(socket, "socket", _Socket)
    assert route.own_networks() == networks


def test_this_machine_can_be_asked() -> None:
    ipv4, ipv6 = route.own_networks()
    assert all(isinstance(each, str) for each in (ipv4, ipv6))
