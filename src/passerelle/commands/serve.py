"""`passerelle serve`: a network's broker and exits."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from passerelle import limits, serverlimits
from passerelle.commands.exit import NO_WORKERS, shifted, worker_line
from passerelle.commands.exit_options import ExitOptions, takes_exit_options
from passerelle.commands.running import (
    forever,
    log_to_stderr,
    outlive_surroundings,
    require_server_packages,
    say,
    until_interrupted,
)
from passerelle.errors import ConfigError
from passerelle.listen import ListenAddress

if TYPE_CHECKING:
    from passerelle.io.net.locations import Edition
    from passerelle.wire.ways import Way

DAY_S: Final = 86_400
OLD_PLACES_DAYS: Final = 365
"""Beyond this age of a database of places a person is warned: addresses change hands."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(serve)


@takes_exit_options
def serve(
    state: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder with the network's keys; made at the first start. Back it up, and show it "
            "to nobody: whoever has it can speak for the network.",
        ),
    ],
    url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Public address of this server, for example https://bridge.example."
        ),
    ],
    name: Annotated[str, typer.Option(help="The network's name, shown to people.")] = "Passerelle",
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address and port of the broker.")
    ] = "127.0.0.1:8080",
    exit_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address and port of the exit, if not the broker's."
        ),
    ] = None,
    exit_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Public address of the exit, if not the broker's."),
    ] = None,
    stun: Annotated[
        list[str] | None,
        typer.Option(
            metavar="stun:HOST:PORT",
            help="A STUN server for browsers and clients behind NAT. May be repeated.",
        ),
    ] = None,
    stun_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Run a STUN server too, on this UDP port and the next. Browsers and clients are "
            "told of both, under the host of --url.",
        ),
    ] = None,
    fronted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FRONT,URL",
            help="A way for readers whose network blocks the broker: a content delivery network "
            "that serves the broker at URL and is reached under the name FRONT, for example "
            "popular.example,https://d123.cdn.example. May be repeated.",
        ),
    ] = None,
    amp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FRONT,]CACHE",
            help="A way for readers whose network blocks the broker: an AMP cache that fetches the "
            "broker's pages, for example https://cdn.ampproject.org, reached under the name FRONT "
            "if you give one. May be repeated.",
        ),
    ] = None,
    door: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A door: a web server of somebody else that passes readers' sealed messages on, "
            "set up as integrations/door/README.md says, for example "
            "https://news.example/passerelle. Its key is printed here at every start. May be "
            "repeated.",
        ),
    ] = None,
    front_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="Where requests come from that a cache or a front brings without saying for whom. "
            "From here many readers may ask, and they share what many readers may have. May be "
            "repeated, and adds to broker.front_networks of --config.",
        ),
    ] = None,
    private_candidates: Annotated[
        bool,
        typer.Option(
            "--allow-private-candidates",
            help="Let readers and volunteers name private addresses to each other, as in a "
            "laboratory. Elsewhere this is dangerous, because each can make the other send packets "
            "into its own network. It is always so when --url is a private address.",
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="How many exits to run, each as a process on a port of its own, from "
            "--exit-listen on. SIGUSR2 restarts them one by one. With 0, one exit runs in this "
            "process.",
        ),
    ] = 0,
    broker_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Public address of another broker of this network, which has a copy of --state "
            "and the same --bus. May be repeated.",
        ),
    ] = None,
    no_exit: Annotated[
        bool,
        typer.Option(
            "--no-exit",
            help="Run a broker only. The exits run elsewhere (`passerelle exit`), at --exit-url.",
        ),
    ] = False,
    disclose: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            min=1,
            max=limits.TOKEN_VOLUNTEERS,
            help="Volunteers that one network of readers (/24 or /56) learns of in a day; a reader "
            "with a token of `passerelle token` may learn of more.",
        ),
    ] = serverlimits.DISCLOSED_VOLUNTEERS,
    places: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Database (MMDB) of addresses' countries or networks, which is asked before the "
            "one that comes with the program. May be repeated.",
        ),
    ] = None,
    caution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COUNTRY",
            help="A country (two letters) where helping may be dangerous. Volunteers there are "
            "asked a second time before anybody comes to them. The option replaces the usual list; "
            "with 'none' nobody is asked. May be repeated.",
        ),
    ] = None,
    make_missing_keys: Annotated[
        bool,
        typer.Option(
            "--make-missing-keys",
            help="Make a key anew that is missing in --state, after a loss or a theft; not the "
            "operator's, without which there is no network. Copy the keys to the network's other "
            "servers then.",
        ),
    ] = False,
    chromium_extension: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where visitors with Chromium, Chrome or Edge find the network's extension "
            "(docs/EXTENSION.md). Tags that publishers take from now on offer it.",
        ),
    ] = "",
    firefox_extension: Annotated[
        str, typer.Option(metavar="URL", help="The same for visitors with Firefox.")
    ] = "",
    minimum_version: Annotated[
        str | None,
        typer.Option(
            metavar="X.Y.Z",
            help="Refuse clients and widgets of older releases, and tell them to update.",
        ),
    ] = None,
    *,
    exits: ExitOptions,
) -> None:
    """Run a network's servers: a broker and an exit.

    The command prints the invite for readers and the tag for publishers' pages. It runs until it
    gets SIGINT (Ctrl-C) or SIGTERM, and then lets volunteers and readers go in good order.
    """
    require_server_packages()
    from passerelle import serve as servers  # noqa: PLC0415
    from passerelle.broker.config import CAUTIOUS  # noqa: PLC0415
    from passerelle.commands import addresses  # noqa: PLC0415
    from passerelle.core.embed import Extensions  # noqa: PLC0415
    from passerelle.exit.settings import parse_networks  # noqa: PLC0415
    from passerelle.gatewayfile import GatewayFile  # noqa: PLC0415
    from passerelle.keyring import Keyring  # noqa: PLC0415
    from passerelle.publisherfile import PublisherFile  # noqa: PLC0415

    outlive_surroundings()
    log_to_stderr()
    if exit_listen and not exit_url:
        raise ConfigError(
            "With --exit-listen the exit has a port of its own: say how volunteers reach it with "
            "--exit-url, for example https://exit.bridge.example."
        )
    if workers and not (exit_listen or no_exit):
        raise ConfigError(
            "Workers need ports of their own: give the first one's with --exit-listen, for example "
            "0.0.0.0:8443, and its public address with --exit-url."
        )
    if no_exit and not exit_url:
        raise ConfigError(
            "With --no-exit the exits run elsewhere: say where with --exit-url, for example "
            "https://exit.bridge.example."
        )
    public = (url, *(broker_url or ()), *((exit_url,) if exit_url else ()))
    addresses.require_usable("--url", (url,))
    addresses.require_usable("--exit-url", (exit_url,) if exit_url else ())
    addresses.require_usable("--broker-url", broker_url or ())
    has_widget = servers.BUILT_WIDGET.is_dir()
    settings = exits.settings()
    fronts = (*settings.front_networks, *parse_networks("--front-network", front_network or ()))
    config = servers.ServeConfig(
        name=name,
        url=url,
        listen=ListenAddress.parse(listen),
        exit_listen=ListenAddress.parse(exit_listen) if exit_listen else None,
        exit_url=exit_url,
        tls=exits.tls(),
        settings=settings,
        workers=workers,
        worker_line=worker_line(
            state, exit_listen or "", replace(exits, direct=exits.direct or bool(door))
        ),
        worker_environment=exits.environment(),
        metrics_listen=_metrics_at(exits.metrics_listen, workers),
        bus=exits.bus,
        more_brokers=tuple(broker_url or ()),
        has_exit=not no_exit,
        trusted_proxies=exits.trusted_proxies(),
        front_networks=fronts,
        network_volunteers=disclose,
        minimum=_release(minimum_version) if minimum_version else None,
        stun=tuple(_stun_servers(stun or ())),
        stun_listen=ListenAddress.parse(stun_listen) if stun_listen else None,
        ways=(*_ways("fronted", fronted or []), *_ways("amp", amp or [])),
        doors=addresses.doors(door or (), public),
        gateway_seed=GatewayFile(state, create=True).seed if settings.policy.sites else None,
        direct=exits.direct,
        private_candidates=private_candidates,
        widget_dir=servers.BUILT_WIDGET if has_widget else None,
        kept_dir=state / "widget",
        extensions=Extensions(chromium=chromium_extension, firefox=firefox_extension),
        publishers=PublisherFile(state).current,
        counts_file=state / "counts.json",
        places=servers.LocationDatabase(places or []),
        cautious=_countries(caution) if caution else CAUTIOUS,
    )

    editions = config.places.load()

    async def work() -> None:
        # The workers find them there.
        keys = Keyring.open_or_create(state, make_missing=make_missing_keys)
        async with servers.Servers(config, keys) as running:
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGUSR2,
                *((running.restart_workers,) if workers else (say, NO_WORKERS)),
            )
            print(f"Invite for readers:\n\n    {running.invite}\n")
            if running.tag is None:
                print(
                    "The widget is not built, so pages cannot use this server; run `make widget`."
                )
            else:
                print("Tag for publishers' pages:\n")
                print("\n".join(f"    {line}" for line in running.tag.splitlines()), flush=True)
            for at, key in running.door_keys.items():
                print(f"Key of the door {at}:\n\n    {key}\n", flush=True)
            _tell_places(editions)
            if not running.stun and not servers.is_laboratory(running.invite.url):
                say(
                    "Note: without a STUN server, readers and volunteers behind NAT, which is "
                    "nearly everybody, do not find each other. Give --stun-listen :3478, or --stun."
                )
            for option, address in (("--url", url), ("--exit-url", exit_url)):
                if address and not servers.is_reachable_by_browsers(address):
                    say(
                        f"Note: {option} {address} has no https://, and browsers let publishers' "
                        "pages use nothing else, so no switch can help. Give the server a "
                        "certificate (--tls-cert and --tls-key, or a web server in front of it: "
                        '"Behind a web server" in docs/OPERATIONS.md), and name its https:// '
                        "address here."
                    )
            if amp and not fronts:
                say(
                    "Note: no --front-network says where the AMP cache asks from, so all readers "
                    "who come by it count as one network. docs/OPERATIONS.md says how to find out."
                )
            for sentence in await running.unreachable():
                say(f"Note: {sentence}")
            await forever()

    until_interrupted(work())


def _tell_places(editions: Sequence[Edition]) -> None:
    """Tell how old each database of places is."""
    for each in editions:
        age_days = (time.time() - each.built_s) / DAY_S
        month = time.strftime("%B %Y", time.gmtime(each.built_s))
        say(f"Places come from {each.name}, of {month}.")
        if age_days > OLD_PLACES_DAYS:
            say(
                f"Warning: {each.name} is {age_days / 30:.0f} months old. It decides who is asked "
                "twice before helping, and who is matched with whom: give a newer one with "
                "--places (docs/OPERATIONS.md says where from)."
            )
    if not editions:
        say(
            "Warning: there is no database of countries, so nobody is asked twice before helping, "
            "and readers may get volunteers in their own country. Give one with --places."
        )


def _countries(given: Sequence[str]) -> frozenset[str]:
    codes = frozenset(code.upper() for code in given if code != "none")
    for code in codes:
        if not re.fullmatch(r"[A-Z]{2}", code):
            raise ConfigError(
                f"--caution {code}: a country is two letters of ISO 3166-1, for example IR."
            )
    return codes


def _stun_servers(urls: Sequence[str]) -> Iterator[str]:
    """Check what browsers and clients will be told to ask: one bad URL would stop all of them."""
    from passerelle.core.address.host import HostError, split_authority  # noqa: PLC0415 - see above
    from passerelle.wire.stun import DEFAULT_PORT  # noqa: PLC0415 - see above

    for url in urls:
        try:
            if not url.startswith("stun:"):
                raise HostError("not a STUN URL")
            split_authority(url.removeprefix("stun:"), DEFAULT_PORT)
        except HostError:
            raise ConfigError(
                f"--stun {url} cannot be used: it looks like stun:stun.example:3478, or "
                "stun:[2001:db8::1]:3478 for an IPv6 address."
            ) from None
        yield url


def _release(text: str) -> tuple[int, int, int]:
    from passerelle.core.release import parse  # noqa: PLC0415 - see above

    release = parse(text)
    if release is None:
        raise ConfigError(f"--minimum-version wants a release such as 0.2.0, not {text!r}.")
    return release


def _ways(kind: str, texts: Sequence[str]) -> Iterator[Way]:
    from passerelle.wire import ways  # noqa: PLC0415 - see above

    for text in texts:
        try:
            yield ways.parse(f"{kind}={text}")
        except ValueError as error:
            raise ConfigError(
                f"--{kind} cannot be used: {error}. `passerelle serve --help` has an example."
            ) from error


def _metrics_at(text: str | None, workers: int) -> ListenAddress | None:
    """Return the address of this process's `/metrics`: the port after its workers' ports."""
    return shifted(ListenAddress.parse(text), workers + 1) if text else None
