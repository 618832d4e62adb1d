"""An exit sends no datagram to a denied address, although every denied class has a listener.

One host has an address of each class on its loopback interface, and counts the datagrams at each.
To show that each can be reached, an exit that allows everything sends to all of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.lab

PUBLIC = ("8.8.4.4", "2a00:1450:4001::1")
"""Public addresses that are the exit's own here, so they must be opened to be of use."""
OPENED = ("8.8.4.4/32", "2a00:1450:4001::1/128")
DENIED = (
    *("10.1.2.3", "172.16.5.6", "192.168.7.8", "100.64.9.1", "100.100.100.200"),
    *("169.254.1.1", "169.254.169.254", "168.63.129.16", "192.0.0.8", "192.0.2.9"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1"),
    *("fd00:ec2::254", "fd12::1", "fec0::1", "2001:db8::1", "64:ff9b::a01:203"),
    *("2002:a01:203::1", "2001::1", "100::1", "3fff::1"),
)
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1")
UNHEARD = ("0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255", "::ffff:10.1.2.3")
"""Denied addresses without a listener; the exit must refuse them all the same."""


@pytest.fixture
def host(lab: Lab) -> Namespace:
    made = lab.namespace("exit")
    for address in PUBLIC + DENIED:
        wide, more = ("128", ["nodad"]) if ":" in address else ("32", [])
        made.ip("addr", "add", f"{address}/{wide}", "dev", "lo", *more)
    return made


def send(
    host: Namespace, targets: Mapping[str, tuple[str, ...]], allow: tuple[str, ...] = ()
) -> tuple[dict[str, int], list[str]]:
    """Let an exit send to each target; return the counts by address, and the refused targets."""
    listen = [*PUBLIC, *DENIED, *LOOPBACK]
    order: dict[str, Any] = {"listen": listen, "targets": list(targets.items()), "allow": allow}
    ended = host.run(sys.executable, "-m", "tests.lab.udp_probe", text=json.dumps(order))
    told = json.loads(ended.stdout)
    return told["heard"], told["refused"]


def test_denied_addresses_hear_nothing(host: Namespace) -> None:
    """Denied addresses are refused as literals and as names, and public ones are served."""
    denied = (*DENIED, *LOOPBACK, *UNHEARD)
    literals: dict[str, tuple[str, ...]] = dict.fromkeys((*PUBLIC, *denied), ())
    names = {f"n{number}.example": (address,) for number, address in enumerate(denied)}
    heard, refused = send(host, literals | names, allow=OPENED)
    assert heard == dict.fromkeys(PUBLIC, 1)
    assert refused == [*denied, *names]


def test_a_public_address_first_opens_no_door(host: Namespace) -> None:
    """If a name has a public and a denied address, in either order, only the public is used."""
    denied = (*DENIED, *LOOPBACK)
    four, six = PUBLIC
    first = {f"f{number}.example": (four, address) for number, address in enumerate(denied)}
    last = {f"l{number}.example": (address, six) for number, address in enumerate(denied)}
    heard, refused = send(host, first | last, allow=OPENED)
    assert heard == {four: len(denied), six: len(denied)}
    assert refused == []


def test_the_exits_own_addresses_hear_nothing(host: Namespace) -> None:
    """The exit's own addresses are refused, although they are public."""
    assert send(host, dict.fromkeys(PUBLIC, ())) == ({}, list(PUBLIC))


def test_every_listener_can_be_reached(host: Namespace) -> None:
    """Without the policy every listener gets a datagram, so the silence above is the policy's."""
    targets: dict[str, tuple[str, ...]] = dict.fromkeys((*DENIED, *LOOPBACK), ())
    heard, refused = send(host, targets, allow=("0.0.0.0/0", "::/0"))
    assert heard == dict.fromkeys(targets, 1)
    assert refused == []
