"""Where the reader's proxy listens, and who may use it there."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from passerelle.commands.secrets import LOGIN_VARIABLE, secret
from passerelle.errors import ConfigError
from passerelle.listen import ListenAddress

if TYPE_CHECKING:
    from passerelle.core.localport.login import Login

DEFAULT: Final = "127.0.0.1:10080"
"""The usual address of the proxy. No browser lets a web page connect to port 10080, which is on the
list of blocked ports of the Fetch standard (§2.8); as a proxy's port every browser takes it. So a
page cannot even find out that something listens. SOCKS' own port, 1080, is open to pages, is where
they would look first, and is often taken by another proxy."""


def local_port(listen: str, login_file: Path | None) -> tuple[ListenAddress, Login | None]:
    """Return where to listen, with the host filled in, and the login that programs must give.

    Raises ConfigError when others could reach the proxy without a login.
    """
    from passerelle.core.localport.login import Login  # noqa: PLC0415 - --help does not need it

    address = ListenAddress.parse(listen)
    address = ListenAddress(address.host or "127.0.0.1", address.port)
    text = secret(os.environ.get(LOGIN_VARIABLE, ""), login_file, "login")
    if not text and login_file is None:
        if not _is_loopback(address.host):
            raise ConfigError(
                f"--listen {listen} would let other machines use the proxy, and see what your "
                "programs ask of it. Listen on 127.0.0.1, or set a name and a password with "
                "--login-file."
            )
        return address, None
    return address, Login.parse(text)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
