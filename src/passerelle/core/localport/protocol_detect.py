"""The client's one local port: SOCKS5 or HTTP proxy, told apart by the first byte.

A SOCKS5 greeting begins with 0x05 (RFC 1928 §3), an HTTP request with a letter of its method
(RFC 9112 §3.1). Anything else (SOCKS4, a TLS handshake) is closed without an answer.
"""

from __future__ import annotations

from passerelle.core.localport import socks5
from passerelle.core.localport.httpproxy import HttpProxy
from passerelle.core.localport.request import CloseConnection, Effect, Handshake, Rejection
from passerelle.errors import Failure


class ProtocolDetector:
    """A `Handshake` that becomes the right one at the first byte.

    `accept`, `refuse` and `forward` belong to a request: call them once `receive` returned one.
    """

    def __init__(self) -> None:
        self._handshake: Handshake | None = None

    def receive(self, data: bytes) -> list[Effect]:
        """See `Handshake.receive`."""
        if self._handshake is None:
            if not data:
                return []
            self._handshake = _detect(data[0])
            if self._handshake is None:
                return [CloseConnection(Rejection.NOT_A_PROXY_REQUEST)]
        return self._handshake.receive(data)

    def accept(self) -> bytes:
        """See `Handshake.accept`."""
        return self._known.accept()

    def refuse(self, failure: Failure) -> bytes:
        """See `Handshake.refuse`."""
        return self._known.refuse(failure)

    def forward(self, data: bytes) -> bytes:
        """See `Handshake.forward`."""
        return self._known.forward(data)

    @property
    def _known(self) -> Handshake:
        if self._handshake is None:
            raise RuntimeError("there is no request yet")
        return self._handshake


def _detect(first: int) -> Handshake | None:
    if first == socks5.VERSION:
        return socks5.Socks5()
    if chr(first).isascii() and chr(first).isalpha():
        return HttpProxy()
    return None
