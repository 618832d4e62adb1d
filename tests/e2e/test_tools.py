"""Programs that make hundreds of small requests, through a volunteer's real browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.rig.program import Program
from tests.rig.stock import COMMITS, FILES, PACKAGES, Stock, stock
from tests.rig.volunteer import Chromium
from tests.rig.way import Way

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

TOOL_S = 60.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole path, and a site with many small files behind its exit."""

    proxy: str
    """URL of the client's local port."""
    site: Stock


@pytest_asyncio.fixture(loop_scope="session")
async def scene(tmp_path: Path, chrome: Chromium) -> AsyncIterator[Scene]:
    async with stock(tmp_path) as site:
        port = site.url.rpartition(":")[2]
        rules = ("--allow", "127.0.0.0/8", "--exit-port", port)
        async with (
            Way(tmp_path / "way", chrome, *rules) as way,
            way.volunteer(),
            way.client() as (client, local),
        ):
            await client.expect("Connected through a volunteer")
            yield Scene(f"http://127.0.0.1:{local}", site)


async def run(*command: str) -> str:
    """Run a tool to its end, and return what it printed."""
    async with Program(*command) as program:
        code = await program.wait(TOOL_S)
        text = "\n".join(program.lines)
    assert code == 0, text
    return text


async def test_aria2_fetches_files_by_sixteen(scene: Scene, tmp_path: Path) -> None:
    """All files arrive at the first try, though a request comes before its turn at the exit."""
    urls = tmp_path / "urls"
    urls.write_text("".join(f"{scene.site.url}/stock/files/{n}\n" for n in range(FILES)))
    got = tmp_path / "got"
    words = ("--no-conf", "--quiet", "--max-tries=1", "--max-concurrent-downloads=16")
    await run(
        *("aria2c", *words, f"--all-proxy={scene.proxy}", "--no-proxy="),
        *(f"--dir={got}", f"--input-file={urls}"),
    )
    assert {path.name: path.read_text() for path in got.iterdir()} == {
        str(n): f"picture {n}" for n in range(FILES)
    }
    assert len(scene.site.paths) == FILES


async def test_npm_installs_a_tree_of_packages(scene: Scene, tmp_path: Path) -> None:
    """`npm install` gets every package of a tree at the first try."""
    folder = tmp_path / "project"
    folder.mkdir()
    beside = str(Path(sys.executable).parent)
    npm = shutil.which("npm", path=os.pathsep.join((beside, os.environ["PATH"])))
    assert npm is not None
    await run(
        *("env", f"PATH={beside}:{os.environ['PATH']}", npm, "install", "garden"),
        *(f"--prefix={folder}", f"--registry={scene.site.url}/npm/", f"--cache={tmp_path}/cache"),
        *(f"--proxy={scene.proxy}", "--noproxy=", "--maxsockets=32", "--fetch-retries=0"),
        *("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"),
    )
    assert len(list((folder / "node_modules").glob("tulip-*/package.json"))) == PACKAGES
    assert len(scene.site.paths) >= 2 * PACKAGES


async def test_git_clones_object_by_object(scene: Scene, tmp_path: Path) -> None:
    """`git clone` of a plain HTTP repository makes a request for each object."""
    got = tmp_path / "clone"
    url = f"{scene.site.url}/stock/garden.git"
    await run("git", "-c", f"http.proxy={scene.proxy}", "clone", "--quiet", url, str(got))
    assert len(list(got.glob("*.txt"))) == COMMITS
    assert len(scene.site.paths) >= 3 * COMMITS
