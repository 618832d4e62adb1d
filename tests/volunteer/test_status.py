from __future__ import annotations

import asyncio
import re
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from passerelle.errors import LocalError
from passerelle.volunteer import status as telling
from passerelle.volunteer.status import SOCKET, Status, StatusServer

ONE = Status(
    state="helping", reason="", people=3, places=20, helped=9, failed=1, day_bytes=5,
    month_bytes=6, total_bytes=7, state_s=1.0, last_helped_s=None, nat="open", reach="everybody",
    demand="many", country="DE",
)  # fmt: skip


async def test_it_is_told_in_the_folder_and_to_nobody_else(tmp_path: Path) -> None:
    server = StatusServer(lambda: ONE)
    await server.start(tmp_path, None)
    assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
    assert await asyncio.to_thread(telling.ask, tmp_path) == ONE
    await server.close()
    with pytest.raises(LocalError, match="No volunteer runs"):
        telling.ask(tmp_path)


async def test_a_socket_that_was_left_is_replaced(tmp_path: Path) -> None:
    """A volunteer that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET))
    server = StatusServer(lambda: ONE)
    await server.start(tmp_path, None)
    assert await asyncio.to_thread(telling.ask, tmp_path) == ONE
    await server.close()


async def test_a_folder_with_a_long_name_is_said(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with pytest.raises(LocalError, match="short name"):
        await StatusServer(lambda: ONE).start(folder, None)


async def test_prometheus_reads_it_with_people_rounded_up() -> None:
    server = StatusServer(lambda: ONE)
    await server.start(None, 0)
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        text = await answer.text()
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["passerelle_volunteer_people"] == 8
    assert samples["passerelle_volunteer_helped_total"] == 16
    assert samples["passerelle_volunteer_total_bytes_total"] == 7
    assert samples["passerelle_volunteer_online"] == 1
    assert not re.search("DE|open", text)
    await server.close()


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("127.0.0.1", 200), ("evil.example", 403)]
)
async def test_prometheus_is_told_and_no_page_with_a_name_of_its_own(
    host: str, status: int
) -> None:
    """A page whose name leads to this machine could read what is told (DNS rebinding)."""
    server = StatusServer(lambda: ONE)
    await server.start(None, 0)
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    own = {"Host": f"{host}:{server.metrics_port}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=own) as answer:
        assert answer.status == status
    await server.close()
