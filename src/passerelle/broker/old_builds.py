"""Earlier builds of the widget, kept so that pages that pin one by its hash go on working.

A publisher's tag names a file by its content and carries its integrity hash, so an upgrade cannot
change what such a page runs; without the old files it would run nothing. The old script fetches
only files of its own build, by their hashes, so all of a build's files are kept.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from passerelle import serverlimits

_NAME = re.compile(r"[A-Za-z-]{1,64}\.([0-9a-f]{8})\.(?:js|json)")

_log = logging.getLogger(__name__)


def keep(directory: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add `files` to those in `directory`, and return the ones that were there before.

    When there are more than `serverlimits.WIDGET_KEPT_FILES`, those added longest ago are deleted.
    A file whose content is not what its name says is left alone and not returned. When the
    directory cannot be written, nothing new is kept, and a warning says so.
    """
    found = dict(_sound(directory, files))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = directory / name
            if _is_sound(name, content):
                path.write_bytes(content)  # one that is there already counts as added anew
        for path in _newest(directory)[serverlimits.WIDGET_KEPT_FILES :]:
            path.unlink()
            found.pop(path.name, None)
    except OSError as error:
        _log.warning(
            "builds of the widget cannot be kept in the state directory (%s): pages that pin "
            "this one will lose it at the next upgrade",
            error.strerror,
        )
    return found


def _sound(directory: Path, known: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for path in _newest(directory)[: serverlimits.WIDGET_KEPT_FILES]:
        if path.name in known:
            continue
        try:
            if path.stat().st_size <= serverlimits.WIDGET_FILE_BYTES:
                content = path.read_bytes()
                if _is_sound(path.name, content):
                    yield path.name, content
        except OSError:
            continue


def _newest(directory: Path) -> list[Path]:
    try:
        files = [path for path in directory.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(files, key=lambda path: (-path.stat().st_mtime_ns, path.name))
    except OSError:
        return []


def _is_sound(name: str, content: bytes) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and hashlib.sha256(content).hexdigest().startswith(found[1])
