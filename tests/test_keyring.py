from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from passerelle import keyring
from passerelle.errors import ConfigError, LocalError
from passerelle.keyring import ExitKeys, Keyring
from passerelle.wire import descriptor

FILES = (keyring.OPERATOR_FILE, keyring.SEAL_FILE, keyring.TICKET_FILE, keyring.LINK_FILE)


def raw(keys: Keyring) -> tuple[bytes, ...]:
    """Return the bytes of every private key, for comparison."""
    return (
        keys.operator.private_bytes_raw(),
        keys.broker_seal.private_bytes_raw(),
        keys.broker_ticket.private_bytes_raw(),
        keys.exit_link.pem,
    )


def test_keys_are_made_once_and_loaded_ever_after(tmp_path: Path) -> None:
    """The second start finds the keys of the first."""
    first = Keyring.open_or_create(tmp_path / "a" / "state")
    assert raw(Keyring.open_or_create(tmp_path / "a" / "state")) == raw(first)
    assert raw(Keyring.open_or_create(tmp_path / "other")) != raw(first)


def test_files_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The folder has mode 0700, files have 0600, and no draft is left."""
    folder = tmp_path / "state"
    mask = os.umask(0)
    try:
        Keyring.open_or_create(folder)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        (*FILES, keyring.TICKET_PUBLIC_FILE)
    )
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_starting_twice_at_once_gives_the_same_keys(tmp_path: Path) -> None:
    """No program overwrites another's key."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: raw(Keyring.open_or_create(tmp_path)), range(8)))
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff" * 50])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """One sentence says which file is damaged and what to do; the file stays as it is."""
    Keyring.open_or_create(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name} does not hold .* backup"):
        Keyring.open_or_create(tmp_path, make_missing=True)
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", FILES[:3])
def test_a_key_of_the_wrong_kind_is_damage(tmp_path: Path, name: str) -> None:
    """A file with another kind of key counts as damaged."""
    Keyring.open_or_create(tmp_path)
    other = keyring.SEAL_FILE if name != keyring.SEAL_FILE else keyring.TICKET_FILE
    (tmp_path / name).write_bytes((tmp_path / other).read_bytes())
    with pytest.raises(ConfigError, match=name):
        Keyring.open_or_create(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_others_can_read_is_refused(tmp_path: Path, name: str) -> None:
    """A key that others can read is refused, because it may have leaked."""
    Keyring.open_or_create(tmp_path)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keyring.open_or_create(tmp_path)


def test_a_lost_operator_key_is_not_replaced(tmp_path: Path) -> None:
    """A lost operator key is an error, because a new one would break every invite."""
    Keyring.open_or_create(tmp_path)
    (tmp_path / keyring.OPERATOR_FILE).unlink()
    with pytest.raises(ConfigError, match="every invite worthless"):
        Keyring.open_or_create(tmp_path)


@pytest.mark.parametrize("name", FILES[1:])
def test_another_lost_key_is_replaced_only_when_asked_to(tmp_path: Path, name: str) -> None:
    """In silence none is made; the error names the file and the option, which makes that one."""
    before = raw(Keyring.open_or_create(tmp_path))
    (tmp_path / name).unlink()
    for start in (Keyring.open, Keyring.open_or_create):
        with pytest.raises(ConfigError, match=rf"{name} is missing.*--make-missing-keys"):
            start(tmp_path)
        assert not (tmp_path / name).exists()
    after = raw(Keyring.open_or_create(tmp_path, make_missing=True))
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1
    assert raw(Keyring.open(tmp_path)) == after


@pytest.mark.parametrize("present", [*FILES, keyring.TICKET_PUBLIC_FILE])
def test_one_file_alone_is_no_beginning(tmp_path: Path, present: str) -> None:
    """A folder that is neither empty nor whole stays as it is."""
    Keyring.open_or_create(tmp_path / "whole")
    (tmp_path / "part").mkdir(0o700)
    shutil.copy(tmp_path / "whole" / present, tmp_path / "part" / present)
    for open_ in (Keyring.open, Keyring.open_or_create, ExitKeys.open):
        with pytest.raises(ConfigError, match="is missing"):
            open_(tmp_path / "part")
    assert [path.name for path in (tmp_path / "part").iterdir()] == [present]


def test_opening_makes_nothing(tmp_path: Path) -> None:
    """Whoever only opens a folder of keys writes nothing, not even the folder."""
    for open_ in (Keyring.open, ExitKeys.open):
        with pytest.raises(ConfigError, match="is missing"):
            open_(tmp_path / "state")
    assert not (tmp_path / "state").exists()
    made = Keyring.open_or_create(tmp_path / "state")
    (tmp_path / "state" / keyring.TICKET_PUBLIC_FILE).unlink()
    assert raw(Keyring.open(tmp_path / "state")) == raw(made)
    assert not (tmp_path / "state" / keyring.TICKET_PUBLIC_FILE).exists()


def test_a_start_that_was_interrupted_is_told(tmp_path: Path) -> None:
    """The operator's key is written last, so a folder without it is known to be incomplete."""
    Keyring.open_or_create(tmp_path)
    written = {name: (tmp_path / name).stat().st_mtime_ns for name in FILES}
    assert written[keyring.OPERATOR_FILE] == max(written.values())
    (tmp_path / keyring.OPERATOR_FILE).unlink()
    for make_missing in (False, True):
        with pytest.raises(ConfigError, match="first start was interrupted"):
            Keyring.open_or_create(tmp_path, make_missing=make_missing)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_others_can_write_into_is_refused(tmp_path: Path, mode: int) -> None:
    """Others could put their own keys there."""
    Keyring.open_or_create(tmp_path)
    tmp_path.chmod(mode)
    for open_ in (Keyring.open, Keyring.open_or_create, ExitKeys.open):
        with pytest.raises(ConfigError, match="chmod 700"):
            open_(tmp_path)
    tmp_path.chmod(0o755)
    Keyring.open(tmp_path)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that other accounts reach; pytest's own are for this one alone."""
    with tempfile.TemporaryDirectory(prefix="passerelle-keys-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
@pytest.mark.parametrize("name", ["", *FILES])
def test_what_belongs_to_another_account_is_refused(reachable: Path, name: str) -> None:
    """Its owner could change it; root may use what belongs to a service's account."""
    folder = reachable / "state"
    Keyring.open_or_create(folder)
    script = (
        "import os, sys; from pathlib import Path; from passerelle.keyring import Keyring\n"
        "os.setresuid(12345, 12345, 12345)\n"
        "try: Keyring.open(Path(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    for path in (folder, *folder.iterdir()):
        os.chown(path, 12345, 12345)
    run = [sys.executable, "-c", script, str(folder)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == ""
    Keyring.open(folder)
    os.chown(folder / name, 23456, 12345)
    (folder / name).chmod(0o755 if not name else 0o644)
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "belongs to another account" in said


def test_a_folder_that_is_none_is_a_local_error(tmp_path: Path) -> None:
    """The sentence names the folder and what to check."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="name another folder"):
        Keyring.open_or_create(tmp_path / "file" / "state")


def describe(keys: Keyring, **changes: object) -> tuple[descriptor.Descriptor, bytes]:
    options: dict[str, object] = {
        "broker_url": "https://broker.example",
        "exit_url": "wss://exit.example",
        "exit_id": "exit-1",
        "now_s": 1000.5,
        "stun": ["stun:stun.example:3478"],
        **changes,
    }
    name = options.pop("name", "Test")
    return keys.descriptor(name, **options)  # type: ignore[arg-type]


def test_the_descriptor_is_what_an_invite_verifies() -> None:
    """Invite and descriptor fit each other, and the keys in it are the keyring's."""
    keys = Keyring.generate()
    made, document = describe(keys)
    invite = keys.invite("https://broker.example")
    assert descriptor.verify(document, invite.operator_key, now_s=1000) == made
    assert made.expires_s == 1000 + keyring.LIFETIME_S
    assert made.brokers[0].seal_key == keys.broker_seal.public_key().public_bytes_raw()
    assert made.brokers[0].ticket_key == keys.broker_ticket.public_key().public_bytes_raw()
    assert made.exits[0].spki_sha256 == (keys.exit_link.spki_sha256,)
    assert made.stun == ("stun:stun.example:3478",)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "n" * 101},
        {"broker_url": "broker.example"},
        {"broker_url": "https://" + "b" * 300},
        {"exit_url": "https://exit.example"},
        {"exit_id": "Exit 1"},
        {"stun": ["stun.example"]},
    ],
)
def test_a_descriptor_nobody_could_read_is_not_signed(change: dict[str, object]) -> None:
    """The operator learns of the mistake at the start, not from clients."""
    with pytest.raises(ConfigError, match=r"cannot be (used|described)"):
        describe(Keyring.generate(), **change)


def test_repr_shows_no_key() -> None:
    """No key is in the keyring's `repr`, which may be logged by accident."""
    assert repr(Keyring.generate()) == "Keyring()"


def test_an_exit_elsewhere_gets_the_two_files_it_needs(tmp_path: Path) -> None:
    """The public half of the ticket key is there to be copied, and follows a new ticket key."""
    home, away = tmp_path / "home", tmp_path / "away"
    away.mkdir()
    for _ in range(2):
        keys = Keyring.open_or_create(home)
        for name in ("exit-link.pem", "broker-ticket.pub"):
            shutil.copy(home / name, away / name)
        (ticket_key,) = ExitKeys.open(away).tickets
        assert ticket_key.public_bytes_raw() == keys.broker_ticket.public_key().public_bytes_raw()
        (home / "broker-ticket.key").unlink()
        Keyring.open_or_create(home, make_missing=True)
