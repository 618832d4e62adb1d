"""The options that `passerelle exit` and `passerelle serve` share, in one table.

The table is the fields of `ExitOptions`. Both commands have an option for each field
(`takes_exit_options`), and the command line of a worker process is written from the same fields
(`ExitOptions.words`), so an option cannot be lost on one of these ways.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, get_type_hints

import typer

from passerelle.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from passerelle.core.address.classes import IPNetwork
    from passerelle.exit.settings import ExitSettings

BUS_VARIABLE: Final = "PASSERELLE_BUS"
"""The environment variable that stands for `--bus`."""

_BY_ENVIRONMENT: Final = {"bus": BUS_VARIABLE}
"""Options that a worker gets by its environment, because they can hold a password: every user of a
machine sees every command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitOptions:
    """What an operator says about exits on the command line, as it was written there.

    The field `exit_port` is the option `--exit-port`, and so on.
    """

    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The exit's settings (TOML): see docs/OPERATIONS.md."),
    ] = None
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Let the exit connect to this site only, for example news.example or "
            "'*.news.example'. May be repeated.",
        ),
    ] = None
    exit_port: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PORT",
            help="A port the exit connects to, instead of the web's usual ones. May be repeated.",
        ),
    ] = None
    exit_udp_port: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PORT",
            help="A port the exit exchanges UDP datagrams with, instead of 53 (DNS) and 443 "
            "(HTTP/3). May be repeated.",
        ),
    ] = None
    no_udp: Annotated[
        bool, typer.Option("--no-udp", help="Carry TCP only; readers' programs are told so.")
    ] = False
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="Let the exit connect to a private network, for example 127.0.0.0/8. Dangerous: "
            "everybody with the invite then reaches what is there. May be repeated.",
        ),
    ] = None
    face: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A static site that strangers are shown."),
    ] = None
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics on this loopback port. With workers, exit-n has it n - 1 "
            "higher, and a broker beside them the one after theirs.",
        ),
    ] = None
    direct: Annotated[
        bool,
        typer.Option(
            "--direct",
            help="Let readers who find no volunteer, or whose network blocks UDP, come to the exit "
            "directly. Whoever has the invite can then learn and block its address. `serve` and "
            "every `exit` of a network must be told the same. An `exit` of its own needs it, too, "
            "where `serve` has a --door: links through a door are let in by the same tickets.",
        ),
    ] = False
    bus: Annotated[
        str | None,
        typer.Option(
            metavar="nats://HOST:PORT",
            envvar=BUS_VARIABLE,
            help="NATS server by which several brokers share their volunteers, and exits report "
            "their load and their links. Keep it private to your servers. An address with a "
            "password is taken from the environment only, where other users do not see it.",
        ),
    ] = field(default=None, repr=False)
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificate chain (PEM), to serve https here. Leave it out behind a web server "
            "that does TLS.",
        ),
    ] = None
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of --tls-cert (PEM).")
    ] = None
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="A proxy of yours that stands in front, for example 10.0.0.0/8. Its "
            "X-Forwarded-For is believed, so that limits hold for each network of people instead "
            "of for all together. May be repeated.",
        ),
    ] = None

    def settings(self) -> ExitSettings:
        """Return the settings of the file, with these options on top. Raises ConfigError."""
        from passerelle.exit.settings import ExitSettings  # noqa: PLC0415 - --help does not need it

        if self.no_udp and self.exit_udp_port:
            raise ConfigError(
                "--no-udp and --exit-udp-port contradict each other. Give one of them."
            )
        settings = ExitSettings.load(self.config) if self.config else ExitSettings()
        return settings.with_flags(
            allow=self.allow or (),
            ports=self.exit_port or (),
            udp_ports=() if self.no_udp else self.exit_udp_port,
            sites=self.site,
            face=self.face,
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the settings to serve TLS with, None to serve none. Raises ConfigError."""
        from passerelle.io.server.web import tls_context  # noqa: PLC0415 - --help does not need it

        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key belong together. Give both or neither.")
        return tls_context(self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

    def trusted_proxies(self) -> tuple[IPNetwork, ...]:
        """Return the networks whose X-Forwarded-For is believed. Raises ConfigError."""
        from passerelle.exit.settings import parse_networks  # noqa: PLC0415 - --help does not need it

        return parse_networks("--trust-proxy", self.trust_proxy or ())

    def words(self) -> list[str]:
        """Return these options as a command line, without what `environment` holds."""
        words: list[str] = []
        for name, value in self._given():
            option = f"--{name.replace('_', '-')}"
            if name in _BY_ENVIRONMENT:
                continue
            if value is True:
                words.append(option)
            elif isinstance(value, list):
                words += [word for each in value for word in (option, str(each))]
            else:
                words += [option, str(value)]
        return words

    def environment(self) -> dict[str, str]:
        """Return the environment variables that stand for options which `words` leaves out."""
        return {
            _BY_ENVIRONMENT[name]: str(value)
            for name, value in self._given()
            if name in _BY_ENVIRONMENT
        }

    def _given(self) -> list[tuple[str, object]]:
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return [(name, value) for name, value in values if value]


def takes_exit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command with the parameter `exits: ExitOptions` have an option for each of its fields.

    typer reads a command's options from its signature: there the fields take that parameter's
    place, behind the command's own options.
    """
    own = dict(inspect.signature(command, eval_str=True).parameters)
    del own["exits"]
    hints = get_type_hints(ExitOptions, include_extras=True)
    table = {
        each.name: inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=hints[each.name],
        )
        for each in fields(ExitOptions)
    }

    @functools.wraps(command)
    def run(**given: object) -> None:
        exits = ExitOptions(**{name: given.pop(name) for name in table})  # type: ignore[arg-type]
        _require_hidden_password(exits.bus)
        command(**given, exits=exits)

    parameters = {**own, **table}
    run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    run.__annotations__ = {name: each.annotation for name, each in parameters.items()}
    return run


def _require_hidden_password(bus: str | None) -> None:
    """Raise ConfigError for a password that the command line showed to every user already."""
    if bus is not None and "@" in bus and os.environ.get(BUS_VARIABLE) != bus:
        raise ConfigError(
            "--bus holds a password, which every user of this machine can read there. Choose "
            f"another one, and give the address by the environment: {BUS_VARIABLE}=nats://…; for "
            "a service, in a file that its EnvironmentFile names."
        )
