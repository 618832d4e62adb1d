import time
from pathlib import Path

import pytest

from passerelle.cli import BAD_INPUT, OK, main
from passerelle.keyring import Keyring
from passerelle.wire import tokens


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_token_is_one_of_this_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = Keyring.open_or_create(tmp_path)
    words = ("token", "--state", str(tmp_path), "--days", "2", "--volunteers", "40")
    assert run(*words) == OK
    text = capsys.readouterr().out.strip()
    public = (keys.broker_ticket.public_key(),)
    token = tokens.read(text, public, now_s=time.time() + 1.9 * 86_400)
    assert token is not None
    assert token.volunteers == 40
    assert tokens.read(text, public, now_s=time.time() + 2.1 * 86_400) is None
    assert run(*words) == OK
    assert capsys.readouterr().out.strip() != text


def test_no_network_is_made_by_asking_for_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("token", "--state", str(tmp_path / "none")) == BAD_INPUT
    assert "There is no network in" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
