"""Build the browser extension into dist/: run it by `make extension INVITE=https://…`.

    passerelle-chromium-VERSION.zip   for Chromium's stores, or unpacked, for developers
    passerelle-firefox-VERSION.zip    for Firefox's store
    passerelle-extension.sums         their SHA-256, for `sha256sum --check`

The same sources and the same invite give the same bytes. Without an invite the visitor puts one
into the extension's options.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from passerelle.errors import ConfigError
from passerelle.wire.invite import parse
from tools import bootstrap
from tools.bootstrap import ROOT

DIST: Final = ROOT / "dist"
SUMS: Final = "passerelle-extension.sums"
BROWSERS: Final = ("chromium", "firefox")
LONGEST_BYTES: Final = 150 * 1024
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip archive can have: a file's own would differ from build to build."""


def main() -> None:
    """Build both packages, and print their sizes and hashes."""
    parser = argparse.ArgumentParser(prog="make extension", description=__doc__)
    parser.add_argument("--invite", default="", help="the network that the extension helps")
    parser.add_argument("--out", type=Path, default=DIST, help="where to (default: dist)")
    given = parser.parse_args()
    try:
        built = build(given.out, given.invite)
    except ConfigError as error:
        bootstrap.stop(str(error))
    for path in built:
        said = f"{path.stat().st_size:,} bytes, SHA-256 {digest(path)}"
        bootstrap.say(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}: {said}")


def build(out: Path, invite: str) -> list[Path]:
    """Build both packages into `out`, and return them. Ends the program where one is too large.

    Raises ConfigError for what is no invite.
    """
    version = json.loads((ROOT / "widget" / "package.json").read_text(encoding="utf-8"))["version"]
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        unpacked(Path(folder), invite)
        for browser in BROWSERS:
            path = out / f"passerelle-{browser}-{version}.zip"
            pack(Path(folder) / browser, path)
            if path.stat().st_size > LONGEST_BYTES:
                bootstrap.stop(
                    f"{path.name} has {path.stat().st_size:,} bytes, {LONGEST_BYTES:,} allowed."
                )
            made.append(path)
    lines = [f"{digest(path)}  {path.name}\n" for path in made]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")
    return made


def unpacked(folder: Path, invite: str = "") -> None:
    """Build both extensions into folders of their own, named by the browser.

    An invite for readers is cut to what volunteers need. Raises ConfigError for what is no invite.
    """
    network = str(parse(invite).plain) if invite else ""
    own = f"{bootstrap.VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    node = shutil.which("node") or shutil.which("node", path=own) or "node"
    command = [node, str(ROOT / "extension" / "build.mjs"), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "PASSERELLE_NETWORK": network})


def pack(folder: Path, archive: Path) -> None:
    """Put the files of a folder into a zip archive, in the order of their names."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes())


def digest(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
