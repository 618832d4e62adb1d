from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from passerelle import cli
from passerelle.commands.exit import worker_line
from passerelle.commands.exit_options import BUS_VARIABLE, ExitOptions
from passerelle.errors import ConfigError

SECRET = "nats://user:secret@bus.example:4222"
VALUES: dict[object, Any] = {
    bool: True,
    Path | None: Path("a folder/file"),
    str | None: "some text",
    list[str] | None: ["one", "-two"],
    list[int] | None: [1, 2],
}
"""A value for each type that an option has."""

KINDS = get_type_hints(ExitOptions)
NAMES = {field.name for field in fields(ExitOptions)}
EVERYTHING = ExitOptions(**{name: VALUES[kind] for name, kind in KINDS.items()})
TOLD = ("opts", "multiple", "default", "help", "metavar", "envvar", "hidden")
SERVE = ("--state", "keys", "--url", "https://bridge.example")


def command(name: str) -> TyperCommand:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    found = group.commands[name]
    assert isinstance(found, TyperCommand)
    return found


def as_given(value: Any, kind: object) -> Any:
    """What typer makes of a parsed value when it calls the command."""
    if value is None or value == ():
        return None
    if isinstance(value, tuple):
        return list(value)
    return Path(value) if kind == Path | None else value


def parsed(
    name: str, words: Sequence[str], environment: Mapping[str, str]
) -> tuple[ExitOptions, dict[str, Any]]:
    """Return the table's options, and its own, that a command gets from line and environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(BUS_VARIABLE, raising=False)
        for variable, value in environment.items():
            patch.setenv(variable, value)
        own = dict(command(name).make_context(name, list(words)).params)
    table = {each: as_given(own[each], kind) for each, kind in KINDS.items()}
    return ExitOptions(**table), {each: own[each] for each in own if each not in NAMES}


def told_worker(options: ExitOptions) -> tuple[ExitOptions, dict[str, Any]]:
    """Return what worker 3 of `passerelle serve` gets if `serve` is given `options`."""
    given, _ = parsed("serve", [*SERVE, *options.words()], options.environment())
    line = worker_line(Path("keys"), "127.0.0.1:81", given)(3)
    assert line[:4] == [sys.executable, "-m", "passerelle", "exit"]
    return parsed("exit", line[4:], given.environment())


def test_what_is_not_in_the_table_is_no_workers_business() -> None:
    """A new option of `exit` belongs in the table, so that `serve` has it and passes it on."""
    own = {each.name for each in command("exit").params} - NAMES
    assert own == {"state", "listen", "workers", "worker"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_serve_and_exit_have_the_same_option(name: str) -> None:
    """Names, default, help, environment variable and repetition of an option are equal in both."""
    serve, exit_ = (
        next(each for each in command(verb).params if each.name == name)
        for verb in ("serve", "exit")
    )
    for aspect in TOLD:
        assert getattr(serve, aspect) == getattr(exit_, aspect)
    assert serve.opts == ["--" + name.replace("_", "-")]
    assert getattr(serve, "help")  # noqa: B009 (typer names a base class that has none)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_option_of_serve_reaches_its_workers(name: str) -> None:
    """A worker's line and environment hold the option, and `exit` accepts it."""
    given = ExitOptions(**{name: getattr(EVERYTHING, name)})
    assert given != ExitOptions()
    assert told_worker(given)[0] == given


def test_all_options_together_reach_the_workers() -> None:
    """A worker gets all of them, and its own number."""
    options, own = told_worker(EVERYTHING)
    assert options == EVERYTHING
    assert (Path(own["state"]), own["listen"], own["worker"]) == (Path("keys"), "127.0.0.1:81", 3)
    assert told_worker(ExitOptions())[0] == ExitOptions()


def test_the_address_of_the_bus_is_in_no_command_line() -> None:
    """Every user of a machine sees command lines, and the address may hold a password."""
    options = ExitOptions(bus=SECRET)
    assert options.environment() == {BUS_VARIABLE: SECRET}
    line = worker_line(Path("keys"), "127.0.0.1:81", options)(1)
    assert not any("secret" in word for word in line)


def test_the_address_of_the_bus_may_come_by_the_environment() -> None:
    """An address on the command line replaces that of the environment."""
    environment = {BUS_VARIABLE: SECRET}
    for verb, words in (("serve", SERVE), ("exit", ("--state", "keys"))):
        assert parsed(verb, words, environment)[0].bus == SECRET
        named = [*words, "--bus", "nats://other"]
        assert parsed(verb, named, environment)[0].bus == "nats://other"


@pytest.fixture
def root_level() -> Iterator[None]:
    """Restore the root logger's level after the test."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


@pytest.mark.usefixtures("root_level")
def test_workers_log_as_much_as_their_parent() -> None:
    """Workers get --debug, in front of the command's name, if their parent logs everything."""
    for level, words in ((logging.DEBUG, ["--debug", "exit"]), (logging.INFO, ["exit"])):
        logging.getLogger().setLevel(level)
        line = worker_line(Path("keys"), "127.0.0.1:81", ExitOptions())(1)
        assert line[3 : 3 + len(words)] == words


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (ExitOptions(no_udp=True, exit_udp_port=[53]), "contradict"),
        (ExitOptions(tls_cert=Path("x")), "belong together"),
        (ExitOptions(trust_proxy=["10.0.0.1/8"]), "--trust-proxy wants"),
        (ExitOptions(site=["a b"]), "--site cannot be used"),
        (ExitOptions(config=Path("/nowhere/exit.toml")), "cannot be read"),
    ],
)
def test_options_that_cannot_be_used(options: ExitOptions, sentence: str) -> None:
    """The error is one sentence that names the option."""

    def use() -> None:
        options.settings()
        options.tls()
        options.trusted_proxies()

    with pytest.raises(ConfigError, match=sentence):
        use()


@pytest.mark.parametrize("verb", [("exit", "--state", "keys"), ("serve", *SERVE)])
def test_a_password_on_the_command_line_is_refused(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every user of the machine has seen it there; the message says where it belongs."""
    monkeypatch.delenv(BUS_VARIABLE, raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main([*verb, "--bus", SECRET])
    assert ended.value.code == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert BUS_VARIABLE in told
    assert "secret" not in told


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(ExitOptions(bus=SECRET))
