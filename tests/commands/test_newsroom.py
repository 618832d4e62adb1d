"""`passerelle newsroom`: tokens that are given, listed and withdrawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from passerelle.cli import BAD_INPUT, OK, main
from passerelle.keyring import Keyring
from passerelle.publisherfile import PublisherFile


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(("newsroom", *words))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def state(tmp_path: Path) -> str:
    Keyring.open_or_create(tmp_path)
    return str(tmp_path)


def test_a_token_is_given_listed_and_withdrawn(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two publishers have a token each; one of them is withdrawn in one step."""
    assert run("--state", state, "https://News.example/about", "https://www.news.example") == OK
    (token,) = re.findall(r"newsroom-\w+", capsys.readouterr().out)
    assert run("--state", state, "https://paper.example") == OK
    capsys.readouterr()
    assert run("--state", state) == OK
    listed = capsys.readouterr().out
    assert listed.splitlines() == [
        "https://news.example https://www.news.example",
        "https://paper.example",
    ]
    assert token not in listed
    file = PublisherFile(Path(state))
    assert file.current().holder(token) is not None
    assert run("--state", state, "--withdraw", "https://www.news.example") == OK
    assert "is void" in capsys.readouterr().out
    assert file.current().holder(token) is None
    assert [entry.name for entry in file.current().entries] == ["https://paper.example"]


def test_all_pages_of_a_publisher_may_be_named_to_withdraw_its_token(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One page that nobody has leaves every token as it is."""
    pages = ("https://news.example", "https://www.news.example")
    assert run("--state", state, *pages) == OK
    assert run("--state", state, "--withdraw", *pages, "https://other.example") == BAD_INPUT
    assert len(PublisherFile(Path(state)).read().entries) == 1
    assert run("--state", state, "--withdraw", *pages) == OK
    assert PublisherFile(Path(state)).read().entries == ()
    assert capsys.readouterr().out.count("is void") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("news.example",), "no address of a page"),
        (("--withdraw",), "Name a page"),
        (("--withdraw", "https://other.example"), "No publisher has"),
    ],
)
def test_mistakes_are_named(
    state: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--state", state, *words) == BAD_INPUT
    assert said in capsys.readouterr().err


def test_no_network_is_made_by_asking_for_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--state", str(tmp_path / "none"), "https://news.example") == BAD_INPUT
    assert "There is no network in" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
