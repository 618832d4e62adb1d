"""`publishers.json`: who may read it, when a running broker takes notice, and page origins."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from passerelle.errors import ConfigError
from passerelle.publisherfile import PUBLISHERS_FILE, PublisherFile, page_origin

PAGE = "https://news.example"


def test_a_running_broker_takes_notice_at_once(tmp_path: Path) -> None:
    """A token counts from the moment in which it is made until it is withdrawn."""
    running, operator = PublisherFile(tmp_path), PublisherFile(tmp_path)
    assert not running.current().entries
    token = operator.give([PAGE])
    assert running.current().holder(token) is not None
    assert running.current() is running.current(), "read again without a change"
    newer = operator.give([PAGE])
    assert running.current().holder(token) is None
    assert running.current().holder(newer) is not None
    assert operator.withdraw(PAGE)
    assert running.current().holder(newer) is None
    assert not operator.withdraw(PAGE)


def test_the_file_is_private_and_holds_no_token(tmp_path: Path) -> None:
    token = PublisherFile(tmp_path).give([PAGE])
    path = tmp_path / PUBLISHERS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.removeprefix("newsroom-") not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", ["content", "mode"])
def test_nobody_is_a_publisher_by_a_file_that_cannot_be_trusted(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A running broker shows nobody anything, and says so once; a command refuses it."""
    file = PublisherFile(tmp_path)
    token = file.give([PAGE])
    assert file.current().holder(token) is not None
    path = tmp_path / PUBLISHERS_FILE
    if damage == "content":
        path.write_text("{}", encoding="utf-8")
    else:
        path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert file.current().holder(token) is None
        assert file.current().holder(token) is None
    assert len(caplog.records) == 1
    with pytest.raises(ConfigError):
        file.give(["https://paper.example"])


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://news.example", "https://news.example"),
        (" https://News.Example:443/a?b#c ", "https://news.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://[2001:DB8::1]/", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]:444", "https://[2001:db8::1]:444"),
        ("https://zeitung-für-alle.example", "https://xn--zeitung-fr-alle-7vb.example"),
    ],
)
def test_a_page_is_known_by_its_origin(url: str, origin: str) -> None:
    assert page_origin(url) == origin


@pytest.mark.parametrize(
    "url",
    ["news.example", "ftp://news.example", "https://", "https://a@news.example", "https://:1"],
)
def test_what_is_no_page_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a page"):
        page_origin(url)
