"""Why an address and port cannot be listened on, told to a person; for TCP and UDP alike."""

from __future__ import annotations

import errno
import socket

from passerelle.errors import LocalError

_LISTEN_FAULTS = {
    errno.EADDRINUSE: "another program is using it. Stop that program, or choose another port",
    errno.EACCES: "this account may not open it. Choose a port above 1023, or run with the "
    "permission to bind low ports",
    errno.EADDRNOTAVAIL: "this machine does not have that address. Check the listening address",
}


def cannot_listen(host: str, port: int, error: OSError) -> LocalError:
    """Return an error that tells a person why `host` and `port` could not be listened on."""
    if isinstance(error, socket.gaierror):
        fault = "the host name is not known here. Check the listening address"
    else:
        # asyncio replaces the error's text and keeps only its number.
        fault = _LISTEN_FAULTS.get(
            error.errno or 0, f"{error.strerror}. Choose another address or port"
        )
    return LocalError(f"Port {port} on {host or 'every address'} cannot be opened: {fault}.")
