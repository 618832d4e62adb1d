"""`passerelle stun`: a network's own STUN server."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle.commands.running import (
    forever,
    log_to_stderr,
    outlive_surroundings,
    require_server_packages,
    until_interrupted,
)
from passerelle.errors import ConfigError
from passerelle.listen import ListenAddress

if TYPE_CHECKING:
    from passerelle.core.address.host import IPAddress
    from passerelle.io.net.stun import StunSettings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(stun)


def stun(
    listen: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Address and UDP port to answer on."),
    ] = ":3478",
    other: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A second address and port of this machine; each address then answers on both "
            "ports. With two addresses, clients find out exactly how their NAT behaves. Without "
            "this option, the second port is the next one on the same address.",
        ),
    ] = None,
    public: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Public address of --listen, if a NAT or a cloud stands in front. Give it twice, "
            "with --other's second, if there are two.",
        ),
    ] = None,
    worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
) -> None:
    """Tell browsers and clients which address they come from (RFC 8489, RFC 5780).

    They need two such addresses to find a way through NAT and to learn which kind theirs is. With
    a server of its own a network depends on nobody else's. Name it to **passerelle serve** with
    --stun, or let that command run one with --stun-listen. The server keeps no record and logs no
    address.
    """
    require_server_packages()
    from passerelle.io.net.stun import StunService  # noqa: PLC0415 - loads only when needed
    from passerelle.io.server.processes import READY, orphaned  # noqa: PLC0415 - as above

    settings = parse(listen, other, public or [])
    outlive_surroundings()
    log_to_stderr()

    async def work() -> None:
        async with StunService(settings):
            if worker:
                print(READY, flush=True)
                await orphaned()
            else:
                await forever()

    until_interrupted(work())


def parse(listen: str, other: str | None, public: list[str]) -> StunSettings:
    """Read the options. Raises ConfigError."""
    from passerelle.io.net.stun import StunSettings  # noqa: PLC0415 - see above
    from passerelle.serve import stun_ports  # noqa: PLC0415 - see above

    first = ListenAddress.parse(listen)
    second = (
        ListenAddress.parse(other) if other else ListenAddress(first.host, stun_ports(first)[1])
    )
    if first.port == second.port:
        raise ConfigError(
            "--listen and --other have the same port. What a NAT does shows only at two: choose "
            "another port for one of them."
        )
    hosts = tuple(dict.fromkeys((first.host, second.host)))
    if "" in hosts and len(hosts) > 1:
        raise ConfigError(
            "--listen and --other need an address each, or none: one of them alone would take the "
            "other's place too."
        )
    if len(public) > len(hosts):
        raise ConfigError("There are more --public addresses than addresses to listen on.")
    return StunSettings(hosts, (first.port, second.port), tuple(_address(each) for each in public))


def _address(text: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(
            f"--public wants an IP address such as 203.0.113.7, not {text!r}."
        ) from None
