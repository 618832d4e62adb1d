"""What a running broker serves, for commands that make something of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from passerelle.errors import LocalError

if TYPE_CHECKING:
    import aiohttp


AWAY: Final = (
    "Check the invite and this computer's connection, or use --state where the network's keys are."
)


async def fetch(http: aiohttp.ClientSession, url: str, most: int, *, away: str = AWAY) -> bytes:
    """Return what is at `url`, at most `most` bytes. Raises LocalError with a sentence.

    `away` is what to do where it cannot be reached.
    """
    import aiohttp  # noqa: PLC0415 - it takes a while to load

    body = bytearray()
    try:
        async with http.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise LocalError(
                    f"{url} answered {response.status}. Check the invite, and that its server is a "
                    "broker with the widget."
                )
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise LocalError(f"{url} answered more than a broker has to say.")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise LocalError(f"{url} cannot be reached. {away}") from error
    return bytes(body)
