"""An exit's configuration file. `docs/OPERATIONS.md` lists every setting of this TOML with its
unit.

The tables `quota`, `lifetimes` and `gateway` are made from the dataclasses of the modules that obey
them, so each setting is defined once.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self, get_type_hints

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from passerelle import limits
from passerelle.core.address.classes import IPNetwork
from passerelle.core.address.host import HostError
from passerelle.core.address.policy import UDP_PORTS, WEB_PORTS, ConnectionPolicy, parse_site
from passerelle.core.quota import Quota
from passerelle.errors import ConfigError
from passerelle.exit.config import ExitConfig, Lifetimes
from passerelle.exit.gateway.keys import SeedSource
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.io.tunnel.tls import LinkIdentity


class _PolicyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Literal["web", "site"] = "web"
    sites: tuple[str, ...] = ()
    ports: tuple[int, ...] = tuple(sorted(WEB_PORTS))
    udp_ports: tuple[int, ...] = tuple(sorted(UDP_PORTS))
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class _ExitTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    links: int = limits.EXIT_LINKS
    sessions: int = limits.EXIT_SESSIONS
    held_bytes: int = limits.EXIT_HELD_BYTES
    rate_bytes_s: float | None = None
    refusal_s: float = 0.5
    tests: bool = True
    face: str | None = None


class _BrokerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    front_networks: tuple[str, ...] = ()


def _table(source: type[Any]) -> type[msgspec.Struct]:
    """Return the TOML table whose settings are the fields of a dataclass."""
    hints = get_type_hints(source)
    fields = [(each.name, hints[each.name], each.default) for each in dataclasses.fields(source)]
    return msgspec.defstruct(f"{source.__name__}Table", fields, frozen=True,
                             forbid_unknown_fields=True)  # fmt: skip


_QuotaTable = _table(Quota)
_LifetimesTable = _table(Lifetimes)
_GatewayTable = _table(GatewaySettings)
_File = msgspec.defstruct(
    "File",
    [
        ("policy", _PolicyTable, _PolicyTable()),
        ("exit", _ExitTable, _ExitTable()),
        ("broker", _BrokerTable, _BrokerTable()),
        ("quota", _QuotaTable, _QuotaTable()),
        ("lifetimes", _LifetimesTable, _LifetimesTable()),
        ("gateway", _GatewayTable, _GatewayTable()),
    ],
    frozen=True,
    forbid_unknown_fields=True,
)


@dataclasses.dataclass(frozen=True, slots=True)
class ExitSettings:
    """What an operator decides about exits, without their keys and ids."""

    policy: ConnectionPolicy = dataclasses.field(default_factory=ConnectionPolicy)
    quota: Quota = dataclasses.field(default_factory=Quota)
    lifetimes: Lifetimes = dataclasses.field(default_factory=Lifetimes)
    gateway: GatewaySettings = dataclasses.field(default_factory=GatewaySettings)
    rate_bytes_s: float | None = None
    refusal_s: float = 0.5
    links: int = limits.EXIT_LINKS
    sessions: int = limits.EXIT_SESSIONS
    held_bytes: int = limits.EXIT_HELD_BYTES
    tests: bool = True
    face: Path | None = None
    front_networks: tuple[IPNetwork, ...] = ()
    """Networks of caches and fronts, for the broker in the same process (`passerelle serve`)."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a configuration file. Raises ConfigError, with what is wrong and where."""
        try:
            with path.open("rb") as file:
                text = file.read(limits.CONFIG_FILE_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"The configuration {path} cannot be read ({error.strerror}). Check its name."
            ) from error
        if len(text) > limits.CONFIG_FILE_BYTES:
            raise _bad(path, "it is far too large")
        try:
            found: Any = msgspec.toml.decode(text, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _bad(path, str(error)) from error
        for name in ("exit", "quota", "lifetimes", "gateway"):
            _require_positive(path, name, getattr(found, name))
        try:
            policy = make_policy(
                allow=found.policy.allow,
                deny=found.policy.deny,
                ports=found.policy.ports,
                udp_ports=found.policy.udp_ports,
                sites=found.policy.sites if found.policy.mode == "site" else None,
            )
            fronts = parse_networks("broker.front_networks", found.broker.front_networks)
        except ConfigError as error:
            raise _bad(path, str(error).rstrip(".")) from error
        if found.policy.mode == "web" and found.policy.sites:
            raise _bad(path, 'policy.sites is given, but policy.mode is not "site"')
        face = found.exit.face
        return cls(
            policy=policy,
            quota=Quota(**msgspec.structs.asdict(found.quota)),
            lifetimes=Lifetimes(**msgspec.structs.asdict(found.lifetimes)),
            gateway=_gateway(path, found.gateway),
            rate_bytes_s=found.exit.rate_bytes_s,
            refusal_s=found.exit.refusal_s,
            links=found.exit.links,
            sessions=found.exit.sessions,
            held_bytes=found.exit.held_bytes,
            tests=found.exit.tests,
            # A relative path counts from the file's own folder.
            face=None if face is None else path.parent / face,
            front_networks=fronts,
        )

    def with_flags(
        self,
        *,
        allow: Sequence[str] = (),
        ports: Sequence[int] = (),
        udp_ports: Sequence[int] | None = None,
        sites: Sequence[str] | None = None,
        face: Path | None = None,
    ) -> ExitSettings:
        """Return these settings with options of the command line on top. Raises ConfigError.

        Networks in `allow` are added to those of the file; other options replace what it says.
        """
        given = make_policy(
            allow=allow, ports=ports, udp_ports=udp_ports or (), sites=sites, names=_FLAGS
        )
        policy = dataclasses.replace(
            self.policy,
            allow=(*self.policy.allow, *given.allow),
            ports=given.ports if ports else self.policy.ports,
            udp_ports=self.policy.udp_ports if udp_ports is None else given.udp_ports,
            sites=self.policy.sites if sites is None else given.sites,
        )
        return dataclasses.replace(self, policy=policy, face=face or self.face)

    def config(
        self,
        exit_id: str,
        identity: LinkIdentity,
        ticket_keys: tuple[Ed25519PublicKey, ...],
        *,
        direct: bool,
        trusted_proxies: tuple[IPNetwork, ...] = (),
        gateway_seed: SeedSource | None = None,
    ) -> ExitConfig:
        """Return the configuration of one exit with these settings and keys."""
        return ExitConfig(
            exit_id=exit_id,
            identity=identity,
            ticket_keys=ticket_keys,
            direct=direct,
            policy=self.policy,
            quota=self.quota,
            lifetimes=self.lifetimes,
            rate_bytes_s=self.rate_bytes_s,
            refusal_s=self.refusal_s,
            links=self.links,
            sessions=self.sessions,
            trusted_proxies=trusted_proxies,
            held_bytes=self.held_bytes,
            tests=self.tests,
            decoy_site=self.face,
            gateway=self.gateway,
            gateway_seed=gateway_seed,
        )


_NAMES: Final = {
    name: f"policy.{name}" for name in ("allow", "deny", "ports", "udp_ports", "sites")
}
_FLAGS: Final = {
    "allow": "--allow",
    "deny": "--deny",
    "ports": "--exit-port",
    "udp_ports": "--exit-udp-port",
    "sites": "--site",
}


def make_policy(
    *,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    ports: Sequence[int] = (),
    udp_ports: Sequence[int] = tuple(UDP_PORTS),
    sites: Sequence[str] | None = None,
    names: Mapping[str, str] = _NAMES,
) -> ConnectionPolicy:
    """Return the policy that settings describe. Raises ConfigError.

    Without `ports` the web's ports are open; without `udp_ports` there is no UDP. `names` are what
    a person calls the parameters, for the error's sentence.
    """
    for name, given in (("ports", ports), ("udp_ports", udp_ports)):
        if bad := [port for port in given if not 0 < port < 65536]:
            raise ConfigError(f"{names[name]} wants a port from 1 to 65535, not {bad[0]}.")
    try:
        listed = None if sites is None else tuple(parse_site(site) for site in sites)
    except HostError as error:
        raise ConfigError(f"{names['sites']} cannot be used: {error}.") from error
    if listed == ():
        raise ConfigError("Site mode without sites serves nothing: list at least one.")
    return ConnectionPolicy(
        allow=parse_networks(names["allow"], allow),
        deny=parse_networks(names["deny"], deny),
        ports=frozenset(ports) or WEB_PORTS,
        udp_ports=frozenset(udp_ports),
        sites=listed,
    )


def parse_networks(name: str, texts: Sequence[str]) -> tuple[IPNetwork, ...]:
    """Read networks that a person wrote as the setting `name`. Raises ConfigError."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigError(
            f"{name} wants a network such as 10.1.0.0/16 or fd00::/8: {error}."
        ) from error


def _gateway(path: Path, table: msgspec.Struct) -> GatewaySettings:
    """Return the gateway's settings; a relative path counts from the file's own folder."""
    settings = GatewaySettings(**msgspec.structs.asdict(table))
    if settings.roots is None:
        return settings
    return dataclasses.replace(settings, roots=str(path.parent / settings.roots))


def _require_positive(path: Path, table: str, values: msgspec.Struct) -> None:
    for name, value in msgspec.structs.asdict(values).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not value > 0:  # TOML has `nan` for a number
            raise _bad(path, f"{table}.{name} must be more than 0, not {value}")


def _bad(path: Path, reason: str) -> ConfigError:
    advice = "docs/OPERATIONS.md lists every setting"
    return ConfigError(f"The configuration {path} cannot be used: {reason}. {advice}.")
