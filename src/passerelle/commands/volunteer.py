"""`passerelle volunteer`: a volunteer without a screen."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from passerelle import interrupt, limits
from passerelle.commands import secrets
from passerelle.commands.running import log_to_stderr, outlive_surroundings, say
from passerelle.errors import ConfigError, LocalError

if TYPE_CHECKING:
    from passerelle.io.webrtc.chrome.process import ProcessEngine
    from passerelle.volunteer.status import Status

MB = 1_000_000
SLOWEST_MBIT = 0.1
"""The lowest rate that may be set, as in the switch."""
_HOUR_S = 3600


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(volunteer)


def volunteer(
    invite_file: secrets.InviteFile = None,
    invite: secrets.Invite = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder that keeps the counts between runs, and answers --status.",
            show_default="volunteer in the folder passerelle of $XDG_STATE_HOME",
        ),
    ] = None,
    people: Annotated[
        int,
        typer.Option(min=1, max=limits.VOLUNTEER_PEOPLE, help="Most people helped at once."),
    ] = 20,
    mbit: Annotated[
        float, typer.Option(min=0, help="Most Mbit/s for all people, from 0.1 on; 0 sets no bound.")
    ] = 0,
    person_mbit: Annotated[
        float,
        typer.Option(min=0, help="Most Mbit/s for each person, from 0.1 on; 0 sets no bound."),
    ] = 0,
    day_mb: Annotated[
        int, typer.Option(min=0, help="Most MB a day, both ways together; 0 sets no bound.")
    ] = 0,
    month_mb: Annotated[
        int, typer.Option(min=0, help="Most MB a month, both ways together; 0 sets no bound.")
    ] = 0,
    hours: Annotated[
        str,
        typer.Option(
            metavar="FROM-TO",
            help="When to help, like 08:00-12:30,22:00-06:00. Without it, always.",
        ),
    ] = "",
    zone: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Time zone of days, months and hours, like Europe/Berlin. Without it, this "
            "machine's.",
        ),
    ] = "",
    flows_a_day: Annotated[
        int,
        typer.Option(
            min=0,
            help="Most new connections a day with readers of one country; 0 sets no bound. A "
            "censor who sees many at one address takes it for a proxy and blocks it.",
        ),
    ] = 32,
    ip: Annotated[
        int, typer.Option(help="4 or 6 to use only that version of IP; 0 uses both.")
    ] = 0,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port on 127.0.0.1 for Prometheus."),
    ] = None,
    family: Annotated[
        bool,
        typer.Option(
            "--family",
            help="Help only people to whom you give a link. It is in the file family-link of "
            "the folder of --state, and a terminal shows it at the start.",
        ),
    ] = False,
    new_family: Annotated[
        bool,
        typer.Option(
            "--new-family",
            help="The same with a new link: whoever has an earlier one is helped by this computer "
            "no more.",
        ),
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Help although it may be dangerous where this machine is."),
    ] = False,
    no_test: Annotated[
        bool,
        typer.Option(
            "--no-test",
            help="Do not find out at the start how fast this computer is, which moves 2 MB each "
            "way at most.",
        ),
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show what the running volunteer does, and end.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Show that as JSON.")] = False,
) -> None:
    """Help readers behind a firewall with this computer, without a browser.

    It does what a page with the switch does: it carries what it cannot read between readers and
    the network's exits. The pages that readers visit leave from an exit, never from this address;
    the readers see this address. It runs until you press Ctrl-C.
    """
    from passerelle.client.state import default_path  # noqa: PLC0415 - loads what others need not
    from passerelle.volunteer import hours as times  # noqa: PLC0415
    from passerelle.volunteer import status as telling  # noqa: PLC0415

    folder = state or default_path().parent / "volunteer"
    if status:
        told = telling.ask(folder)
        print(telling.as_json(told) if json else "\n".join(readable(told)))
        return
    if json:
        raise ConfigError("--json is for --status. Give both, or leave it out.")
    if ip not in (0, 4, 6):
        raise ConfigError("--ip is 4, 6, or 0 for both.")
    from passerelle.volunteer import family as own_family  # noqa: PLC0415
    from passerelle.volunteer.config import VolunteerConfig  # noqa: PLC0415
    from passerelle.volunteer.service import Volunteer  # noqa: PLC0415
    from passerelle.volunteer.store import UsageStore  # noqa: PLC0415
    from passerelle.wire.invite import parse  # noqa: PLC0415

    outlive_surroundings()
    log_to_stderr()
    network = parse(secrets.invite_text(invite, invite_file))
    config = VolunteerConfig(
        invite=network.plain,
        people=people,
        mbit=_mbit("--mbit", mbit),
        person_mbit=_mbit("--person-mbit", person_mbit),
        day_bytes=day_mb * MB or None,
        month_bytes=month_mb * MB or None,
        flows_a_day=flows_a_day or None,
        hours=times.parse(hours),
        zone=_zone(zone),
        ip_version=ip or None,
        state=folder,
        metrics_port=metrics_port,
        confirmed=confirm,
        tests=not no_test,
    )
    engine = _engine()
    if family or new_family:
        # The link of one that runs is not to be changed beside it.
        UsageStore(folder).close()
        config = replace(config, family=own_family.token(folder, anew=new_family))
        link = replace(network, family=config.family)
        kept = own_family.keep_link(folder, link)
        # Where this is no terminal, a log may keep it.
        print(_LINK.format(link if sys.stdout.isatty() else f"It is in {kept}."), flush=True)

    said = ""

    def tell(told: Status) -> None:
        nonlocal said
        # What changed may be in none of the words, as where people leave one by one.
        if (now := sentence(told)) != said:
            said = now
            say(now)

    async def work() -> None:
        running = Volunteer(config, engine, tell)
        await running.start()
        try:
            await running.run()
        finally:
            await running.close()

    try:
        interrupt.run(work())
    except interrupt.Interrupted:
        say("People were asked to move to other volunteers. Thank you for helping. Goodbye.")


_LINK = """Only people with your link are helped. Give it to friends, and to nobody else:

{}

They use it as their invite. --new-family makes a new one.
"""


def _engine() -> ProcessEngine:
    """Return Chrome's engine. Raises LocalError where this machine has it not."""
    from passerelle.io.webrtc.chrome.library import NoEngine  # noqa: PLC0415
    from passerelle.io.webrtc.chrome.process import ProcessEngine, probe  # noqa: PLC0415

    try:
        probe()
    except NoEngine as error:
        raise LocalError(
            f"A volunteer needs Chrome's WebRTC, and it cannot be used: {error}. Install "
            "passerelle[chrome]. With another one, censors could tell this computer from a "
            "browser, and the people you help with it."
        ) from error
    return ProcessEngine()


def _mbit(option: str, given: float) -> float:
    if given == 0:
        return math.inf
    if not given >= SLOWEST_MBIT:  # not a number is no less either
        raise ConfigError(
            f"{option} is {SLOWEST_MBIT:g} or more, because less helps nobody; 0 sets no bound."
        )
    return given


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ConfigError(
            f"This computer knows no time zone {name[:40]!r}. Names are like Europe/Berlin; Debian "
            "has them in the package tzdata."
        ) from None


PAUSES = {
    "stopping": "Leaving: people are asked to move to other volunteers.",
    "consent": "Helping may be dangerous where this computer is, so nobody is helped yet. If you "
    "know the danger and want to help, start again with --confirm.",
    "hours": "Nobody is helped at this hour.",
    "day": "What you give in a day is used up. It goes on tomorrow.",
    "month": "What you give in a month is used up. It goes on next month.",
    "test": "Finding out how fast this connection is, for at most five seconds.",
    "slow": "This machine can help nobody from here now: its connection is too slow. It is tested "
    "again in ten minutes.",
    "exit": "No exit of the network can be reached from here. It is tried again.",
}
"""A sentence for each reason for a pause."""
_TROUBLES = {
    "connecting": "Looking for the network.",
    "network_unreachable": "The network cannot be reached. It is tried again.",
    "broker_unreachable": "The broker cannot be reached. It is tried again.",
    "broker_restart": "The broker starts anew. It is tried again.",
    "broker_full": "The network has enough volunteers now. It is asked again later.",
    "broker_garbled": "The broker said something that makes no sense. It is tried again.",
}


_REACHES = {
    "everybody": "this machine can help everybody",
    "some": "this machine can help people whose own networks allow it",
    "nobody": "this machine can help nobody from here: its network lets no UDP through",
    "": "whom this machine can help is not known yet",
}
_DEMANDS = {
    "many": "Lately, many people had to wait for a volunteer.",
    "some": "Lately, some people had to wait for a volunteer.",
    "nobody": "Lately, next to nobody had to wait for a volunteer.",
}
"""The words of the switch."""
_SPEEDS = {
    "video": "fast enough for video",
    "pages": "fast enough for pages, not for video",
    "slow": "too slow to help anybody",
}


def sentence(status: Status) -> str:
    """Return a sentence for a person about what goes on."""
    if status.state == "paused":
        return PAUSES.get(status.reason, "Nobody is helped now.")
    if status.state == "connecting":
        return _TROUBLES.get(status.reason, "Not connected. It is tried again.")
    if status.people:
        return f"Helping {status.people} of at most {status.places} people."
    return "Waiting for people to help."


def readable(status: Status) -> list[str]:
    """Return lines for a person."""
    demand = _DEMANDS.get(status.demand)
    return [
        sentence(status),
        *(["Only people with your link are helped."] if status.only_family else []),
        *([demand] if demand and status.state in ("waiting", "helping") else []),
        f"for {_span(status.state_s)} now"
        + ("" if status.people else f"; last helped {_ago(status.last_helped_s)}"),
        f"helped so far {status.helped} people, attempts that failed {status.failed}",
        f"carried {status.day_bytes // MB} MB today, {status.month_bytes // MB} MB this month, "
        f"{status.total_bytes // MB} MB in all",
        f"kind of NAT {status.nat}; " + _REACHES.get(status.reach, _REACHES[""]),
        _speed(status),
    ]


def _speed(status: Status) -> str:
    """Return what a test said about the connection."""
    if status.down_mbit is None:
        return "how fast the connection is was not found out"
    measured = f"about {status.down_mbit:g} Mbit/s down"
    if status.up_mbit is not None:
        measured += f", {status.up_mbit:g} Mbit/s up"
    use = _SPEEDS.get(status.speed, "of unknown use")
    return f"the connection is {use} ({measured}, or more)"


def _ago(last_helped_s: float | None) -> str:
    return "nobody in this run" if last_helped_s is None else f"{_span(last_helped_s)} ago"


def _span(seconds: float) -> str:
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR_S:.0f} h"
