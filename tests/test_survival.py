"""The worker's file of a site that goes on when it is blocked: what is in it."""

from __future__ import annotations

import json

import pytest

from passerelle import readingpage, survival
from passerelle.errors import ConfigError
from tests.test_readingpage import FILES, PAGE

BUILT = {
    **FILES,
    "survive.js": b"survive",
    "survived.js": b"survived",
    "withdrawn.js": b"withdrawn",
    "words-en.json": b'{"lead":"Read here."}',
    "leads.json": b'{"en":"{site} is blocked."}',
}


def constant(content: bytes) -> dict[str, object]:
    """Return what is written in front of the worker's code."""
    text = content.decode().partition("const __PAGE__=")[2]
    return dict(json.JSONDecoder().raw_decode(text)[0])


def test_one_file_holds_the_whole_reading_page() -> None:
    """All that the shell loads is in it, with the hashes that the shell knows."""
    page = constant(survival.survival(BUILT, PAGE)[survival.FILE])
    assert page["site"] == list(PAGE.site)
    assert page["brokers"] == ["http://other.example:81", "https://bridge.example"]
    files = page["files"]
    assert isinstance(files, dict)
    shell = files["/passerelle.reader/shell.html"]
    for path, content in files.items():
        if path not in {"/passerelle.reader/shell.html", "/passerelle.reader/network.json"}:
            assert path.rpartition("/")[2] in shell
            assert readingpage.integrity(content.encode()) in shell
    words = [content for path, content in files.items() if "words-en" in path]
    assert json.loads(words[0])["lead"] == "{site} is blocked."


def test_both_files_begin_as_the_worker_expects() -> None:
    """It takes such a file for the site's own."""
    made = survival.survival(BUILT, PAGE)
    assert all(content.startswith(b"// Passerelle") for content in made.values())
    assert b"withdrawn" in made[survival.WITHDRAWN]


def test_a_key_of_another_length_is_refused() -> None:
    assert (
        constant(survival.survival(BUILT, PAGE, bytes(32))[survival.FILE])["key"] == "A" * 43 + "="
    )
    with pytest.raises(ConfigError, match="32 bytes"):
        survival.survival(BUILT, PAGE, bytes(31))
