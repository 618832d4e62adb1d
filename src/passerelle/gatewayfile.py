"""The seed of a network's gateway keys, as a file beside its other keys.

`gateway.key` holds the seed of yesterday, whose keys are still valid (`wire.gatewaykeys`). Every
day it is replaced by the next one, and what was sealed before cannot be opened any more. Several
programs may use one file. Copies on other machines lead to the same keys. A lost file is made anew,
and readers then fetch the network's new description.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from passerelle import keyfiles
from passerelle.errors import ConfigError, LocalError
from passerelle.wire.descriptor import GatewayEntry
from passerelle.wire.gatewaykeys import SEED_BYTES, GatewaySeed, configurations, day_at

GATEWAY_FILE: Final = "gateway.key"
SPARE_DAYS: Final = 3
"""Days of a descriptor's keys beside those of its life: yesterday, and the days that it ends on."""


class GatewayFile:
    """The file in one folder."""

    def __init__(self, folder: Path, *, create: bool) -> None:
        """`create` makes a seed where there is none. Nothing is read or written yet."""
        self._folder = folder
        self._path = folder / GATEWAY_FILE
        self._create = create

    def seed(self, now_s: float) -> GatewaySeed:
        """Return the seed of yesterday at Unix time `now_s`, and leave no earlier one behind.

        Raises ConfigError when the file is missing, damaged, or within reach of other accounts;
        LocalError when it cannot be read or written.
        """
        try:
            with keyfiles.sole_writer(self._folder):
                return self._turn(day_at(now_s) - 1)
        except OSError as error:
            raise LocalError(
                f"{self._path} cannot be read or written: {error.strerror}. Check that the folder "
                "belongs to this account and that the disk is not full."
            ) from error

    def _turn(self, day: int) -> GatewaySeed:
        if not self._path.exists():
            if not self._create:
                raise ConfigError(
                    f"{self._path} is missing. Copy it from the machine of `passerelle serve`, "
                    "which makes it in site mode."
                )
            seed = GatewaySeed(day, secrets.token_bytes(SEED_BYTES))
            keyfiles.write(self._path, f"{seed}\n".encode())
            return seed
        try:
            seed = GatewaySeed.parse(keyfiles.read(self._path).decode("ascii"))
            # A clock that was set back brings no earlier seed back.
            turned = seed.at(max(day, seed.day))
        except ValueError as error:
            raise ConfigError(
                f"{self._path} does not hold the seed it should, or this machine's clock is wrong. "
                "Look at the clock; if it is right, delete the file, and a new one is made."
            ) from error
        if turned.day != seed.day:
            keyfiles.replace(self._path, f"{turned}\n".encode())
        return turned


def gateway_entry(
    seed: GatewaySeed, exit_id: str, sites: tuple[str, ...], lifetime_s: int
) -> GatewayEntry:
    """Return what a descriptor says of an exit's gateway for its whole life."""
    days = -(-lifetime_s // 86_400) + SPARE_DAYS
    return GatewayEntry(sites, seed.day, configurations(seed, exit_id, days))
