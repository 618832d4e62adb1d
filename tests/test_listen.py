from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.errors import ConfigError
from passerelle.listen import ListenAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:1080", "127.0.0.1", 1080),
        ("[::1]:443", "::1", 443),
        ("localhost:65535", "localhost", 65535),
        (":80", "", 80),
    ],
)
def test_addresses_as_people_write_them(text: str, host: str, port: int) -> None:
    """IPv4, IPv6 in brackets, names and an empty host are read."""
    assert ListenAddress.parse(text) == ListenAddress(host, port)


@pytest.mark.parametrize(
    "text", ["", "1080", "host:", "host:0", "host:65536", "::1:80", "h:8o", "h:٣"]
)
def test_others_get_an_example(text: str) -> None:
    """The error shows how to write an address."""
    with pytest.raises(ConfigError, match=r"Write HOST:PORT"):
        ListenAddress.parse(text)


@given(st.text(max_size=30))
def test_garbage_gives_only_config_errors(text: str) -> None:
    """No text raises anything but ConfigError."""
    try:
        found = ListenAddress.parse(text)
    except ConfigError:
        return
    assert 0 < found.port < 65536
