"""The list of a network's publishers, as a file beside its keys.

`publishers.json` holds each publisher's pages and the hash of its token (`wire.publishers`). A
running broker reads it again when it has changed, so a token that is withdrawn is void at once.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from passerelle import keyfiles, serverlimits
from passerelle.core.address.host import HostError, join_authority, split_authority, to_ascii
from passerelle.errors import ConfigError, LocalError
from passerelle.wire import publishers
from passerelle.wire.publishers import Publishers

PUBLISHERS_FILE: Final = "publishers.json"
_PORTS: Final = {"https": 443, "http": 80}
_ROOT: Final = 0

_log = logging.getLogger(__name__)


class PublisherFile:
    """The file in one folder. Nothing is read or written yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / PUBLISHERS_FILE
        self._state: tuple[int, ...] | None = None
        self._current = Publishers()

    def read(self) -> Publishers:
        """Return the list; it is empty without a file.

        Raises ConfigError when the file is damaged or within reach of other accounts, LocalError
        when it cannot be read.
        """
        try:
            content = keyfiles.read(self._path)
        except FileNotFoundError:
            return Publishers()
        except OSError as error:
            raise self._unusable(error) from error
        try:
            return publishers.decode(content)
        except ValueError as error:
            raise ConfigError(
                f"{self._path} is damaged. Put it back from a backup, or delete it and give the "
                "publishers new tokens with `passerelle newsroom`."
            ) from error

    def current(self) -> Publishers:
        """Return the list as it is now. Where it cannot be read, nobody is a publisher."""
        state = self._now()
        if state != self._state:
            self._state = state
            try:
                self._current = self.read()
            except (ConfigError, LocalError) as error:
                _log.warning("publishers see nothing: %s", error)
                self._current = Publishers()
        return self._current

    def give(self, pages: Sequence[str]) -> str:
        """Make a token for the publisher of `pages`, and return it. An earlier one is void.

        Raises ConfigError and LocalError as `read` does.
        """
        token = publishers.token_of(secrets.token_bytes(publishers.TOKEN_BYTES))
        try:
            with keyfiles.sole_writer(self._folder):
                self._write(self.read().given(pages, token))
        except OSError as error:
            raise self._unusable(error) from error
        except ValueError as error:
            raise ConfigError(
                f"A network has at most {serverlimits.PUBLISHERS} publishers, and a publisher "
                f"{serverlimits.PUBLISHER_PAGES} pages. Withdraw a token with --withdraw."
            ) from error
        return token

    def withdraw(self, page: str) -> bool:
        """Make the token of the publisher of `page` void; return whether there was one.

        Raises ConfigError and LocalError as `read` does.
        """
        try:
            with keyfiles.sole_writer(self._folder):
                found = self.read()
                if found.of_page(page) is None:
                    return False
                self._write(found.without(page))
        except OSError as error:
            raise self._unusable(error) from error
        return True

    def _write(self, content: Publishers) -> None:
        keyfiles.replace(self._path, content.encode())
        if os.geteuid() == _ROOT:
            # The broker runs by the account that owns the folder, and has to read the file.
            owner = self._folder.stat()
            os.chown(self._path, owner.st_uid, owner.st_gid)

    def _now(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _unusable(self, error: OSError) -> LocalError:
        return LocalError(
            f"{self._path} cannot be read or written: {error.strerror}. Check that the folder "
            "belongs to this account and that the disk is not full."
        )


def page_origin(url: str) -> str:
    """Return the origin of a page as browsers write it. Raises ConfigError."""
    try:
        parts = urlsplit(url.strip())
        usual = _PORTS[parts.scheme]
        host, port = split_authority(to_ascii(parts.netloc), usual)
    except (KeyError, ValueError, HostError):
        raise ConfigError(
            f"{url} is no address of a page: it looks like https://news.example."
        ) from None
    # A port that is not the usual one stands behind the host, and no other does.
    authority = join_authority(host, port)
    return f"{parts.scheme}://{authority.removesuffix(f':{usual}') if port == usual else authority}"
