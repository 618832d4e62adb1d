from __future__ import annotations

import os
import shutil
import stat
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
    first = Keyring.open(tmp_path / "a" / "state")
    assert raw(Keyring.open(tmp_path / "a" / "state")) == raw(first)
    assert raw(Keyring.open(tmp_path / "other")) != raw(first)


def test_files_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The folder has mode 0700, files have 0600, and no draft is left."""
    folder = tmp_path / "state"
    mask = os.umask(0)
    try:
        Keyring.open(folder)
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
        found = list(pool.map(lambda _: raw(Keyring.open(tmp_path)), range(8)))
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff" * 50])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """One sentence says which file is damaged and what to do; the file stays as it is."""
    Keyring.open(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name} does not hold .* backup"):
        Keyring.open(tmp_path)
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", FILES[:3])
def test_a_key_of_the_wrong_kind_is_damage(tmp_path: Path, name: str) -> None:
    """A file with another kind of key counts as damaged."""
    Keyring.open(tmp_path)
    other = keyring.SEAL_FILE if name != keyring.SEAL_FILE else keyring.TICKET_FILE
    (tmp_path / name).write_bytes((tmp_path / other).read_bytes())
    with pytest.raises(ConfigError, match=name):
        Keyring.open(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_others_can_read_is_refused(tmp_path: Path, name: str) -> None:
    """A key that others can read is refused, because it may have leaked."""
    Keyring.open(tmp_path)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keyring.open(tmp_path)


def test_a_lost_operator_key_is_not_replaced(tmp_path: Path) -> None:
    """A lost operator key is an error, because a new one would break every invite."""
    Keyring.open(tmp_path)
    (tmp_path / keyring.OPERATOR_FILE).unlink()
    with pytest.raises(ConfigError, match="every invite worthless"):
        Keyring.open(tmp_path)


@pytest.mark.parametrize("name", FILES[1:])
def test_another_lost_key_is_replaced(tmp_path: Path, name: str) -> None:
    """A new key is made: the descriptor tells everybody about it."""
    before = raw(Keyring.open(tmp_path))
    (tmp_path / name).unlink()
    after = raw(Keyring.open(tmp_path))
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1


def test_a_folder_that_is_none_is_a_local_error(tmp_path: Path) -> None:
    """The sentence names the folder and what to check."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="name another folder"):
        Keyring.open(tmp_path / "file" / "state")


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
        keys = Keyring.open(home)
        for name in ("exit-link.pem", "broker-ticket.pub"):
            shutil.copy(home / name, away / name)
        (ticket_key,) = ExitKeys.open(away).tickets
        assert ticket_key.public_bytes_raw() == keys.broker_ticket.public_key().public_bytes_raw()
        (home / "broker-ticket.key").unlink()
