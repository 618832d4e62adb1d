"""Build what is handed on, into dist/: run it by `make release`.

    passerelle-VERSION-py3-none-any.whl   the program, the widget that a broker serves, and its
                                          database of countries
    passerelle-VERSION.tar.gz             the sources and what is built: they make the same wheel
    reader.txt                            the packages that a reader's installation consists of
    SHA256SUMS                            for `sha256sum --check`

The same commit gives the same bytes, so that anybody can check a file against its sources:
everything is built twice, from two copies in different folders, and compared. The times in both
archives are the commit's.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tools import bootstrap
from tools.bootstrap import ROOT

DIST: Final = ROOT / "dist"
SUMS: Final = "SHA256SUMS"
READER: Final = "reader.txt"
READER_HEAD: Final = """\
# The packages of a reader's installation, in the versions that the tests ran on. README.md has the
# commands that take this file. Left out is PyAV: aiortc requires it, for codecs that are not used.
av ; python_version < "3"
"""


def main() -> None:
    """Build the last commit into dist/, which is emptied first."""
    if changes := git("status", "--porcelain"):
        bootstrap.stop(
            "A release is made of a commit, and these files differ from the last one:",
            *(f"  {line}" for line in changes.splitlines()),
            "Commit or remove them, then run make release again.",
        )
    shutil.rmtree(DIST, ignore_errors=True)
    release(DIST)
    for path in sorted(DIST.iterdir()):
        bootstrap.say(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")


def release(out: Path) -> None:
    """Build the working tree into `out`. Ends the program where two builds differ."""
    bootstrap.provide_uv()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        made, again = build(Path(first)), build(Path(second))
        names = sorted({path.name for each in (made, again) for path in each.iterdir()})
        _, differing, missing = filecmp.cmpfiles(made, again, names, shallow=False)
        if differing or missing:
            bootstrap.stop(
                f"Two builds of the same sources differ in {', '.join(differing + missing)}.",
                "What nobody can build again nobody can check. Find what makes the difference.",
            )
        shutil.copytree(made, out)
    hashes = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}
    (out / SUMS).write_text("".join(f"{hashes[name]}  {name}\n" for name in names))


def build(folder: Path) -> Path:
    """Build everything once, in an empty folder; return the folder with what was made."""
    sources, made = folder / "sources", folder / "made"
    copy_sources(sources)
    build_widget(sources / "widget")
    package = sources / bootstrap.BUILT_WIDGET.parent.relative_to(ROOT)
    bootstrap.build_places(bootstrap.WIDGET / bootstrap.PLACES, package / "_places")
    uv = [str(bootstrap.uv())]
    epoch_s = git("log", "-1", "--format=%ct").strip()
    bootstrap.run(
        [*uv, "build", "--quiet", "--no-create-gitignore", "--out-dir", str(made)],
        "Building the wheel",
        cwd=sources,
        env={"SOURCE_DATE_EPOCH": epoch_s},
    )
    export = ["export", "--quiet", "--locked", "--no-dev", "--no-emit-project"]
    plain = ["--no-hashes", "--no-header", "--no-annotate", "--format", "requirements.txt"]
    reader = made / READER
    bootstrap.run([*uv, *export, *plain, "-o", str(reader)], "Listing packages", cwd=sources)
    reader.write_text(READER_HEAD + reader.read_text())
    return made


def copy_sources(to: Path) -> None:
    """Copy what git knows, or would know after `git add --all`."""
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / name)


def build_widget(widget: Path) -> None:
    """Build the widget in a copy of the sources, with the packages that this clone has."""
    packages = widget / "node_modules"
    packages.symlink_to(ROOT / "widget" / "node_modules")
    path = f"{bootstrap.VENV / 'bin'}{os.pathsep}{bootstrap.PATH}"
    command = [shutil.which("npm", path=path) or "npm", "run", "--silent", "build"]
    bootstrap.run(command, "Building the widget", cwd=widget, env={"PATH": path})
    packages.unlink()  # or it would be a part of the sdist


def git(*words: str) -> str:
    """Return what a git command prints about this clone."""
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
