"""`passerelle friend`: the client, let in by a friend instead of a server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from passerelle import interrupt
from passerelle.commands import localport, secrets
from passerelle.commands.running import outlive_surroundings, say
from passerelle.errors import ConfigError

if TYPE_CHECKING:
    from passerelle.client.notices import Notice

_LINES: Final = 256
"""Pasted lines that wait to be read; lines beyond that are lost."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(friend)


def friend(
    invite_file: secrets.InviteFile = None,
    invite: secrets.Invite = None,
    network: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The network's signed description, from your friend. It is not needed if "
            "`passerelle client` has reached this network before.",
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Address and port of the proxy for your programs."),
    ] = localport.DEFAULT,
    login_file: secrets.LoginFile = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File that `passerelle client` keeps, if not at its usual place."
        ),
    ] = None,
) -> None:
    """Connect through the browser of a friend, where no server can be reached.

    The command shows a text. Send it to a friend outside, by any chat or mail. The friend opens the
    network's page **/friend** in a browser, turns the switch on, pastes your text, and sends back
    the answer that appears. Paste that here within five minutes. From then on the command is a
    proxy, as `passerelle client` is.
    """
    from passerelle import console  # noqa: PLC0415 - WebRTC takes a second to load
    from passerelle.client.config import ClientConfig  # noqa: PLC0415
    from passerelle.client.notices import BrokerUnreachable, NoVolunteer  # noqa: PLC0415
    from passerelle.client.service import Client  # noqa: PLC0415
    from passerelle.client.state import default_path  # noqa: PLC0415
    from passerelle.wire.invite import parse  # noqa: PLC0415

    outlive_surroundings()
    address, login = localport.local_port(listen, login_file)
    exchange = TextExchange()
    config = ClientConfig(
        invite=parse(secrets.invite_text(invite, invite_file)),
        listen_host=address.host,
        listen_port=address.port,
        login=login,
        state=state or default_path(),
        network=_read(network) if network else b"",
        friend=exchange.swap,
        links=1,
        # People need time to copy and paste.
        patience_s=300.0,
    )

    def show(notice: Notice) -> None:
        if isinstance(notice, BrokerUnreachable):
            say(
                f"That did not work: {notice.reason}. An answer fits one text only, the newest, "
                "and not for long. A new text follows."
            )
        elif isinstance(notice, NoVolunteer):
            say(
                "Your friend's browser could not take you: it is busy, or its switch is off. A new "
                "text follows."
            )
        else:
            say(console.sentence(notice))

    async def work() -> None:
        exchange.start()
        running = Client(config, show)
        try:
            await running.start()
            await running.run()
        finally:
            await running.close()

    try:
        interrupt.run(work())
    except interrupt.Interrupted:
        say("Ended.")


class TextExchange:
    """Exchanges texts with a person at the terminal: shows one, and reads the one pasted."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(_LINES)

    def start(self) -> None:
        """Begin to read lines. The event loop must be running.

        A thread reads them, because no event loop can wait for a terminal on every system. It ends
        with the program.
        """
        loop = asyncio.get_running_loop()

        def put(line: str | None) -> None:
            if not self._lines.full():
                self._lines.put_nowait(line)

        def read() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                for line in sys.stdin:
                    loop.call_soon_threadsafe(put, line)
                loop.call_soon_threadsafe(put, None)

        threading.Thread(target=read, daemon=True, name="paste").start()

    async def swap(self, text: str, complaint: str) -> str:
        """Show `text`, or the complaint about the last answer; return the answer that is pasted.

        An answer ends with a full stop or an empty line. Raises ConfigError when the input ends.
        """
        from passerelle.wire.friend import is_whole  # noqa: PLC0415 - see above

        if complaint:
            say(f"{complaint}\nPaste your friend's answer again:")
        else:
            say("Send this text to your friend, all of it:\n")
            print(f"{text}\n", flush=True)
            say("Paste your friend's answer here:")
        pasted = ""
        while True:
            line = await self._lines.get()
            if line is None:
                raise ConfigError("No answer was pasted, and the input has ended.")
            if not line.strip() and pasted:
                return pasted
            pasted += line
            if is_whole(pasted):
                return pasted


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
    if not content:
        raise ConfigError(f"{path} is empty. Ask your friend for the file again.")
    return content
