"""A reader on a path with jitter, as mobile networks and Wi-Fi have it."""

from __future__ import annotations

import time

import pytest

from tests.chrome import needs_chrome
from tests.lab import Wan
from tests.lab.country import PROXY_PORT, Country, turn_on
from tests.lab.country import country as country
from tests.rig.site import blob, digest

pytestmark = pytest.mark.timeout(240)

JITTERY = Wan(20, jitter_ms=60, rate_mbit=30)
SIZE_BYTES = 4 << 20
MOST_S = 10.0
"""The longest time for `SIZE_BYTES`, which TCP alone needs 2 to 4 s for. Taking the jitter for a
queue needs 16 s and more."""


def curl(country: Country, *words: str) -> tuple[str, float]:
    """Run curl on the reader's phone; return what it printed, and the seconds."""
    began_s = time.monotonic()
    done = country.hosts["phone"].run(
        *("curl", "-q", "-sS", "--fail", "-m", "100", "-x", f"socks5h://127.0.0.1:{PROXY_PORT}"),
        *words,
        timeout_s=120,
    )
    return done.stdout, time.monotonic() - began_s


@pytest.mark.parametrize("engine", ["python", pytest.param("chrome", marks=needs_chrome)])
def test_a_path_with_jitter_is_used_both_ways(country: Country, engine: str) -> None:
    if "phone" not in country.hosts:
        country.star.host("phone", up=JITTERY, down=JITTERY)
    phone = country.hosts["phone"]
    file = phone.directory / "file"
    with country.browser() as browser:
        turn_on(browser)
        with country.client("phone", "--engine", engine) as program:
            _, down_s = curl(country, "-o", str(file), f"{country.site_url}bytes/{SIZE_BYTES}")
            assert file.read_bytes() == blob(SIZE_BYTES)
            told, up_s = curl(country, "-T", str(file), f"{country.site_url}upload")
            assert told == digest(blob(SIZE_BYTES))
            assert max(down_s, up_s) < MOST_S, (down_s, up_s, program.text())
