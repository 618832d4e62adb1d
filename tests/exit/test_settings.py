from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from passerelle.core.address.policy import WEB_PORTS
from passerelle.core.quota import Quota
from passerelle.errors import ConfigError
from passerelle.exit.config import ExitConfig, Lifetimes
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.exit.settings import ExitSettings
from tests.network import KEYS

OPERATIONS = Path(__file__).parents[2] / "docs" / "OPERATIONS.md"


def load(tmp_path: Path, text: str) -> ExitSettings:
    path = tmp_path / "exit.toml"
    path.write_text(text)
    return ExitSettings.load(path)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == ExitSettings()


def test_every_table(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        """
        [policy]
        mode = "site"
        sites = ["News.Example", "*.news.example"]
        ports = [443]
        udp_ports = []
        allow = ["10.1.0.0/16"]
        deny = ["10.1.2.0/24"]
        [exit]
        links = 10
        sessions = 5
        rate_bytes_s = 12_500_000
        refusal_s = 1
        face = "site"
        [broker]
        front_networks = ["66.249.64.0/19"]
        [quota]
        streams = 20
        bytes_per_s = 1e6
        [lifetimes]
        drain_s = 7
        """,
    )
    assert found.policy.sites == ("news.example", "*.news.example")
    assert found.policy.ports == frozenset({443})
    assert found.policy.udp_ports == frozenset()
    assert found.policy.allow == (ip_network("10.1.0.0/16"),)
    assert found.policy.deny == (ip_network("10.1.2.0/24"),)
    assert (found.links, found.sessions, found.rate_bytes_s) == (10, 5, 12_500_000)
    assert found.refusal_s == 1
    assert found.front_networks == (ip_network("66.249.64.0/19"),)
    assert found.face == tmp_path / "site"
    assert found.quota == Quota(streams=20, bytes_per_s=1e6)
    assert found.lifetimes == Lifetimes(drain_s=7)
    assert load(tmp_path, "[policy]").policy.ports == WEB_PORTS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "Expected|Invalid|line 1"),
        ("[polcy]", "unknown field `polcy`"),
        ("[quota]\nstream = 3", r"unknown field `stream` - at `\$.quota`"),
        ('[quota]\nstreams = "many"', r"Expected `int`, got `str` - at `\$.quota.streams`"),
        ("[quota]\nstreams = 0", "quota.streams must be more than 0"),
        ("[lifetimes]\ngrace_s = -1.5", "lifetimes.grace_s must be more than 0"),
        ("[exit]\nrate_bytes_s = nan", "exit.rate_bytes_s must be more than 0"),
        ("[exit]\nrate_bytes_s = 0", "exit.rate_bytes_s must be more than 0"),
        ('[policy]\nmode = "open"', "Invalid enum value 'open'"),
        ('[policy]\nmode = "site"', "Site mode without sites"),
        ('[policy]\nsites = ["a.example"]', 'policy.mode is not "site"'),
        ('[policy]\nmode = "site"\nsites = ["*.org"]', "a site is a name"),
        ('[policy]\nallow = ["10.0.0.1/8"]', "has host bits set"),
        ("[policy]\nports = [70000]", "not 70000"),
        ('[broker]\nfront_networks = ["many"]', "broker.front_networks wants a network"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file, the mistake, its place, and the documentation."""
    with pytest.raises(ConfigError, match=words) as caught:
        load(tmp_path, text)
    assert "exit.toml" in str(caught.value)
    assert "docs/OPERATIONS.md" in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        ExitSettings.load(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="far too large"):
        load(tmp_path, "#" * (1 << 20 | 1))


def test_an_exit_is_told_all_of_it() -> None:
    """Every setting reaches the exit's configuration, with one default everywhere."""
    keys = (KEYS.broker_ticket.public_key(),)
    assert ExitSettings().config("e", KEYS.exit_link, keys, direct=False) == ExitConfig(
        "e", KEYS.exit_link, keys
    )


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/OPERATIONS.md has a row with the true default for each setting."""
    rows = dict(
        re.findall(
            # The names of key files look alike.
            r"^\| `((?:policy|exit|quota|lifetimes|gateway|broker)\.(?!key)\w+)` \| ([^|]+?) \|",
            OPERATIONS.read_text(),
            re.MULTILINE,
        )
    )
    wanted = {
        f"{table}.{field.name}": field.default
        for table, source in (
            ("quota", Quota),
            ("lifetimes", Lifetimes),
            ("gateway", GatewaySettings),
        )
        for field in dataclasses.fields(source)
    }
    exit_fields = {field.name: field.default for field in dataclasses.fields(ExitSettings)}
    for name in ("links", "sessions", "held_bytes", "rate_bytes_s", "refusal_s", "tests", "face"):
        wanted[f"exit.{name}"] = exit_fields[name]
    for name, default in wanted.items():
        shown = rows[name].replace(",", "")
        if default is None or isinstance(default, bool):
            assert shown == ("none" if default is None else str(default).lower()), name
        else:
            assert float(shown) == default, name
    assert set(rows) - set(wanted) == {
        *(f"policy.{name}" for name in ("mode", "sites", "ports", "udp_ports", "allow", "deny")),
        "broker.front_networks",
    }
