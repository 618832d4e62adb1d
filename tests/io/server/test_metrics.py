from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from passerelle.errors import ConfigError
from passerelle.io.server.metrics import Metrics, MetricsServer, resident_bytes


def test_the_help_of_a_rounded_number_says_so() -> None:
    """Who sees 8 readers on a dashboard learns there that it may be one."""
    metrics = Metrics()
    metrics.counter("links", "Links.")
    metrics.counter("bytes", "Bytes.", exact=True)
    metrics.gauge("sessions", "Sessions.", lambda: 3)
    lines = metrics.text().decode().splitlines()
    assert "# HELP passerelle_links_total Links. Rounded up to a multiple of 8." in lines
    assert "# HELP passerelle_sessions Sessions. Rounded up to a multiple of 8." in lines
    assert "# HELP passerelle_bytes_total Bytes." in lines
    assert "# HELP passerelle_process_memory_bytes Resident memory." in lines


def test_labels_are_a_closed_set() -> None:
    """A counter takes only declared labels, so nothing that a peer sends becomes one."""
    links = Metrics().counter("links", "Links.", label="end", values=("normal",))
    with pytest.raises(KeyError):
        links.add(value="example.org")


async def test_served_on_loopback_with_the_process_own_numbers() -> None:
    """A plain GET of /metrics has the process's own numbers; every other path is 404."""
    async with (
        MetricsServer(Metrics(), "127.0.0.1", 0) as server,
        aiohttp.ClientSession() as http,
    ):
        url = f"http://127.0.0.1:{server.port}"
        async with http.get(f"{url}/metrics") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/plain"
            text = await answer.text()
        async with http.get(f"{url}/") as answer:
            assert answer.status == 404
    line = next(line for line in text.splitlines() if line.startswith("passerelle_process_memory"))
    assert 0.5 < float(line.split()[1]) / resident_bytes() < 2
    assert "passerelle_loop_lag_seconds 0.0" in text


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_never_open_to_others(host: str) -> None:
    """An address that other machines can reach is refused."""
    with pytest.raises(ConfigError, match="this machine only"):
        MetricsServer(Metrics(), host, 0)


async def test_lag_of_the_loop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that blocks the event loop shows as lag."""
    metrics = Metrics()
    watch = asyncio.ensure_future(metrics.watch_loop())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(time.sleep, 0.4)
    async with asyncio.timeout(5):
        while "loop_lag_seconds 0.0" in metrics.text().decode():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watch.cancel()
