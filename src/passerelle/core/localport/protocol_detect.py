"""Tell SOCKS5 from HTTP on the client's local port, by the first byte of a connection.

A SOCKS5 greeting begins with 0x05 (RFC 1928 §3), an HTTP request with the first letter of its
method (RFC 9112 §3.1), or with an empty line before it (§2.2). A connection that begins with
anything else (SOCKS4, a TLS handshake, STUN) is closed without an answer.
"""

from __future__ import annotations

from passerelle.core.localport import socks5
from passerelle.core.localport.httpproxy import HttpProxy
from passerelle.core.localport.login import Login
from passerelle.core.localport.request import CloseConnection, Effect, Handshake, Rejection
from passerelle.errors import Failure


class ProtocolDetector:
    """A `Handshake` that passes everything on to a `Socks5` or an `HttpProxy`.

    The first byte decides which of the two. Call `accept` and `refuse` only once `receive`
    has returned a request; before the first byte they raise RuntimeError.
    """

    def __init__(self, login: Login | None = None) -> None:
        """With a `login`, both protocols ask for it."""
        self._login = login
        self._handshake: Handshake | None = None

    def receive(self, data: bytes) -> list[Effect]:
        """See `Handshake.receive`."""
        if self._handshake is None:
            if not data:
                return []
            self._handshake = self._detect(data[0])
            if self._handshake is None:
                return [CloseConnection(Rejection.NOT_A_PROXY_REQUEST)]
        return self._handshake.receive(data)

    def accept(self) -> bytes:
        """See `Handshake.accept`."""
        return self._known.accept()

    def refuse(self, failure: Failure) -> bytes:
        """See `Handshake.refuse`."""
        return self._known.refuse(failure)

    @property
    def _known(self) -> Handshake:
        if self._handshake is None:
            raise RuntimeError("there is no request yet")
        return self._handshake

    def _detect(self, first: int) -> Handshake | None:
        if first == socks5.VERSION:
            return socks5.Socks5(self._login)
        if chr(first) in "\r\n" or (chr(first).isascii() and chr(first).isalpha()):
            return HttpProxy(self._login)
        return None
