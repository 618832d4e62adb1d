"""The worker's file of a site that goes on when it is blocked: what is in it."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle import limits, readingpage, survival
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
    """It takes such a file for the site's own: one that is withdrawn, or that names its network."""
    operator = PAGE.invite.rpartition("#")[2]
    for signed_by in (None, Ed25519PrivateKey.generate()):
        made = survival.survival(BUILT, PAGE, operator=signed_by)
        assert made[survival.WITHDRAWN].startswith(b"// Passerelle: withdrawn by the publisher.\n")
        begins = made[survival.FILE][:1024].decode()
        assert begins.startswith("// Passerelle")
        assert f'{{const __PAGE__={{"operator":"{operator}",' in begins


def test_the_operator_signs_what_follows_the_second_line() -> None:
    operator = Ed25519PrivateKey.generate()
    made = survival.survival(BUILT, PAGE, operator=operator, made_s=1_800_000_000)
    for content in made.values():
        _, line, body = content.split(b"\n", 2)
        word, made_s, signature = line.removeprefix(b"// ").split(b" ")
        assert (word, made_s) == (b"Signed", b"1800000000")
        text = b"passerelle survive 1\0" + made_s + b"\0" + body
        operator.public_key().verify(base64.b64decode(signature), text)
    assert constant(made[survival.FILE])["made_s"] == 1_800_000_000


def test_a_file_that_no_browser_would_take_is_not_made() -> None:
    long = {**BUILT, "survive.js": bytes(limits.SURVIVE_FILE_BYTES)}
    with pytest.raises(ConfigError, match="1048576 at most"):
        survival.survival(long, PAGE)


def test_a_key_of_another_length_is_refused() -> None:
    assert (
        constant(survival.survival(BUILT, PAGE, bytes(32))[survival.FILE])["key"] == "A" * 43 + "="
    )
    with pytest.raises(ConfigError, match="32 bytes"):
        survival.survival(BUILT, PAGE, bytes(31))
