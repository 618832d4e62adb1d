"""A network of nothing but what README.md says to install."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from passerelle import __version__
from passerelle.serve import EXIT_ID
from passerelle.wire.websocket import LINK_PATH
from tests.chrome import needs_chrome
from tests.packaging.conftest import Place, readme_lines
from tests.rig.curl import Proxy, fetch
from tests.rig.ports import free_port
from tests.rig.program import Program, invite_of
from tests.rig.site import PAGE, Site
from tests.volunteer import Volunteer
from tools.release import READER

pytestmark = pytest.mark.timeout(180)
HOST = "127.0.0.1"
MOST_CHROME_MB = 140
MOST_MB = 100
COMPILING = ("env", "-u", "PYTHONDONTWRITEBYTECODE")
"""Has Python keep what it compiles, as it does for a reader."""


def installed(place: Place) -> dict[str, str]:
    """The packages of an installation, and the version of each."""
    (program,) = place.home.glob("*/**/lib/python3*/site-packages/passerelle")
    found = importlib.metadata.distributions(path=[str(program.parent)])
    return {canonicalize_name(each.name): each.version for each in found}


def listed(dist: Path) -> dict[str, str]:
    """The packages of a reader, by the list that is handed on, and the version of each."""
    lines = (dist / READER).read_text().splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate()
    }


def size_mb(place: Place) -> float:
    """The bytes of an installation's files, in millions. pipx's own pip is not the reader's."""
    (venv,) = (
        path.parent for path in place.home.glob("*/**/pyvenv.cfg") if "shared" not in path.parts
    )
    return sum(path.lstat().st_size for path in venv.rglob("*")) / 1e6


@pytest.mark.parametrize("reader", ["reader_by_uv", "reader_by_pipx"])
async def test_reader_reads_a_page(
    reader: str, operator: Place, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """An operator's servers, a volunteer, a reader's client, and a page through them all.

    The reader has the packages that were tested and no others. They stay small, also once Python
    has compiled what the client runs.
    """
    place: Place = request.getfixturevalue(reader)
    assert installed(place) == {**listed(place.folder / "dist"), "passerelle": __version__}
    port, local = free_port(), free_port()
    url = f"http://{HOST}:{port}"
    async with Site() as site:
        server = Program(
            *(str(operator.program), "serve", "--state", str(tmp_path / "state")),
            *("--listen", f"{HOST}:{port}", "--url", url),
            *("--allow", "127.0.0.0/8", "--exit-port", str(site.port)),
        )
        async with server:
            invite = await invite_of(server)
            words = ("client", "--forget", "--invite", invite, "--listen", f"{HOST}:{local}")
            async with (
                Volunteer(url, {EXIT_ID: f"ws://{HOST}:{port}{LINK_PATH}"}),
                Program(*COMPILING, str(place.program), *words) as client,
            ):
                await client.expect("Proxy open")
                got = await fetch(
                    Proxy.SOCKS, local, tmp_path / "page", f"http://{HOST}:{site.port}/"
                )
                assert got.body.decode() == PAGE, client.lines
    assert size_mb(place) < MOST_MB


@needs_chrome
def test_chromes_engine_is_an_extra(reader_with_chromes_engine: Place, reader_by_uv: Place) -> None:
    """With it the client can be told to use it; without it, one sentence says what to install."""
    words = ("client", "--forget", "--engine", "chrome", "--listen", f"{HOST}:{free_port()}")
    said = []
    # The first one gets as far as to its invite, which is a bad one, so that it ends.
    for place, key in ((reader_with_chromes_engine, "no"), (reader_by_uv, "A" * 43)):
        done = subprocess.run(
            [str(place.program), *words, "--invite", f"http://{HOST}:{free_port()}/#{key}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        said.append(done.stderr)
    assert "invite" in said[0]
    assert "Install passerelle[chrome]" in said[1]
    assert size_mb(reader_with_chromes_engine) < MOST_CHROME_MB


def test_uvx_tries_it(folder: Path) -> None:
    """The help of the program, and nothing installed."""
    place = Place(folder, "guest")
    (line,) = readme_lines("uvx ")
    done = place.run(line)
    assert done.returncode == 0, done.stderr
    assert "passerelle client" in done.stdout
    assert not place.program.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--state", "state", "--url", "https://bridge.example"],
        ["exit", "--state", "state"],
        ["stun"],
        ["demo", "--once"],
        ["embed", "--state", "state", "--url", "https://bridge.example"],
    ],
)
def test_reader_s_installation_has_no_servers(reader_by_uv: Place, words: list[str]) -> None:
    """One sentence says what to install instead."""
    done = subprocess.run(
        [str(reader_by_uv.program), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install 'passerelle[server]' in place of 'passerelle'" in done.stderr


def test_publisher_needs_no_server_packages(reader_by_uv: Place) -> None:
    """`embed --invite` asks the network; here there is none."""
    invite = f"http://{HOST}:{free_port()}/#{'A' * 43}"
    done = subprocess.run(
        [str(reader_by_uv.program), "embed", "--invite", invite],
        env={**os.environ, "no_proxy": HOST},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
