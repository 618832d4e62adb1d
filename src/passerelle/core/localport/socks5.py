"""The server side of a SOCKS5 handshake (RFC 1928, RFC 1929), without I/O.

    application                      client
    05 n methods…              →
                               ←     05 00          no authentication (02: password, FF: neither)
    01 len name len password   →                    only after 02
                               ←     01 00
    05 cmd 00 type address port →                   cmd 01 CONNECT, 03 UDP ASSOCIATE
                               ←     05 reply 00 01 00000000 0000

The reply to UDP ASSOCIATE names the address to which the application sends its datagrams
(`core.localport.udpassociate`).

Without a `Login` every user name and password is accepted, because whoever reaches the local port
may use it; some tools send different ones to keep their streams apart. They are not stored.
"""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from passerelle.core.address.host import HostError, IPAddress, parse_host, to_ascii
from passerelle.core.localport.login import Login
from passerelle.core.localport.request import (
    Associate,
    CloseConnection,
    Connect,
    Effect,
    Rejection,
    Send,
)
from passerelle.errors import FAILURES, Failure

VERSION: Final = 0x05
_CREDENTIALS_VERSION: Final = 0x01


class ReplyCode(enum.IntEnum):
    """The field REP of a reply (RFC 1928 §6)."""

    SUCCEEDED = 0x00
    GENERAL_FAILURE = 0x01
    NOT_ALLOWED = 0x02
    NETWORK_UNREACHABLE = 0x03
    HOST_UNREACHABLE = 0x04
    REFUSED = 0x05
    TTL_EXPIRED = 0x06
    COMMAND_NOT_SUPPORTED = 0x07
    ADDRESS_TYPE_NOT_SUPPORTED = 0x08


class AuthMethod(enum.IntEnum):
    """Authentication methods (RFC 1928 §3)."""

    NONE = 0x00
    CREDENTIALS = 0x02
    NOT_ACCEPTABLE = 0xFF


class Command(enum.IntEnum):
    """The field CMD of a request (RFC 1928 §4)."""

    CONNECT = 0x01
    BIND = 0x02
    UDP_ASSOCIATE = 0x03


class AddressType(enum.IntEnum):
    """The field ATYP, which says what kind of address follows (RFC 1928 §5)."""

    IPV4 = 0x01
    NAME = 0x03
    IPV6 = 0x04


class _State(enum.Enum):
    GREETING = enum.auto()
    CREDENTIALS = enum.auto()
    REQUEST = enum.auto()
    DONE = enum.auto()


class Incomplete(Exception):
    """The message has not arrived completely yet."""


_NOWHERE: Final = IPv4Address(0)


def reply(code: ReplyCode, address: IPAddress = _NOWHERE, port: int = 0) -> bytes:
    """Return a reply with the bound address `address` and `port`.

    The reply to CONNECT says 0.0.0.0:0, because applications need not know the exit's address.
    """
    return bytes([VERSION, code, 0x00]) + encode_destination(address, port)


def encode_destination(host: IPAddress | str, port: int) -> bytes:
    """Return the address type, address and port of a destination (RFC 1928 §5).

    `host` is an address, or a name of at most 255 bytes.
    """
    if isinstance(host, str):
        name = host.encode("latin-1")
        address = bytes([AddressType.NAME, len(name)]) + name
    else:
        kind = AddressType.IPV4 if host.version == 4 else AddressType.IPV6
        address = bytes([kind]) + host.packed
    return address + port.to_bytes(2, "big")


class Socks5:
    """The `Handshake` of one connection.

    The buffer needs no limit, because no message of the handshake is longer than 513 bytes.
    """

    def __init__(self, login: Login | None = None) -> None:
        """With a `login`, the application must give it."""
        self._login = login
        self._state = _State.GREETING
        self._buffer = b""

    def receive(self, data: bytes) -> list[Effect]:
        """See `Handshake.receive`. Raises RuntimeError when called after the last effect."""
        if self._over:
            raise RuntimeError("the handshake is over")
        self._buffer += data
        effects: list[Effect] = []
        try:
            while not self._over:
                effects += self._step(ByteReader(self._buffer))
        except Incomplete:
            pass
        return effects

    def accept(self) -> bytes:
        """See `Handshake.accept`."""
        return reply(ReplyCode.SUCCEEDED)

    def refuse(self, failure: Failure) -> bytes:
        """See `Handshake.refuse`."""
        return reply(ReplyCode(FAILURES[failure].socks_reply))

    @property
    def _over(self) -> bool:
        return self._state is _State.DONE

    def _step(self, reader: ByteReader) -> list[Effect]:
        if self._state is _State.GREETING:
            return self._greeting(reader)
        if self._state is _State.CREDENTIALS:
            return self._credentials(reader)
        return self._request(reader)

    def _greeting(self, reader: ByteReader) -> list[Effect]:
        if reader.byte() != VERSION:
            return self._close(Rejection.VERSION)
        offered = reader.prefixed()
        if AuthMethod.NONE in offered and self._login is None:
            method = AuthMethod.NONE
        elif AuthMethod.CREDENTIALS in offered:
            method = AuthMethod.CREDENTIALS
        else:
            return self._close(
                Rejection.AUTHENTICATION, bytes([VERSION, AuthMethod.NOT_ACCEPTABLE])
            )
        self._buffer = reader.rest()
        self._state = _State.REQUEST if method is AuthMethod.NONE else _State.CREDENTIALS
        return [Send(bytes([VERSION, method]))]

    def _credentials(self, reader: ByteReader) -> list[Effect]:
        if reader.byte() != _CREDENTIALS_VERSION:
            return self._close(Rejection.AUTHENTICATION, bytes([_CREDENTIALS_VERSION, 0x01]))
        name, password = reader.prefixed(), reader.prefixed()
        if self._login is not None and not self._login.admits(name, password):
            return self._close(Rejection.WRONG_LOGIN, bytes([_CREDENTIALS_VERSION, 0x01]))
        self._buffer = reader.rest()
        self._state = _State.REQUEST
        return [Send(bytes([_CREDENTIALS_VERSION, 0x00]))]

    def _request(self, reader: ByteReader) -> list[Effect]:
        version, command, _reserved = (reader.byte() for _ in range(3))
        if version != VERSION:
            return self._close(Rejection.VERSION, reply(ReplyCode.GENERAL_FAILURE))
        host = reader.host()
        if host is None:
            return self._close(Rejection.DESTINATION, reply(ReplyCode.ADDRESS_TYPE_NOT_SUPPORTED))
        port = reader.port()
        if command == Command.UDP_ASSOCIATE:
            # The request names where the application will send from. Applications put any address
            # here, so only the port is used.
            self._state = _State.DONE
            return [Associate(port)]
        if command != Command.CONNECT:
            return self._close(Rejection.COMMAND, reply(ReplyCode.COMMAND_NOT_SUPPORTED))
        try:
            # Some applications send an IP literal in the field for names, or a name in UTF-8.
            host = str(parse_host(to_ascii(host)))
        except HostError:
            return self._close(Rejection.DESTINATION, reply(ReplyCode.HOST_UNREACHABLE))
        if port == 0:
            return self._close(Rejection.DESTINATION, reply(ReplyCode.GENERAL_FAILURE))
        self._state = _State.DONE
        return [Connect(host, port, reader.rest())]

    def _close(self, reason: Rejection, farewell: bytes = b"") -> list[Effect]:
        self._state = _State.DONE
        return [Send(farewell), CloseConnection(reason)] if farewell else [CloseConnection(reason)]


class ByteReader:
    """Reads one message from the front of a buffer; raises `Incomplete` where it ends early."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._offset = 0

    def take(self, count: int) -> bytes:
        end = self._offset + count
        if end > len(self._buffer):
            raise Incomplete
        taken, self._offset = self._buffer[self._offset : end], end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def prefixed(self) -> bytes:
        return self.take(self.byte())

    def host(self) -> str | None:
        """Read an address type and an address (RFC 1928 §5). Names are not checked.

        Bytes of a name that are not UTF-8 become U+FFFD, which no host name has. Returns None for
        an address type that the RFC does not know.
        """
        kind = self.byte()
        if kind == AddressType.IPV4:
            return str(IPv4Address(self.take(4)))
        if kind == AddressType.IPV6:
            return str(IPv6Address(self.take(16)))
        if kind == AddressType.NAME:
            return self.prefixed().decode(errors="replace")
        return None

    def port(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def rest(self) -> bytes:
        return self._buffer[self._offset :]
