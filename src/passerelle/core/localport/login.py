"""The name and password that a local port open to other machines asks of applications.

SOCKS5 has them in RFC 1929, HTTP proxies in the Basic scheme of RFC 7617. Both send them unsealed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Self

from passerelle import limits
from passerelle.errors import ConfigError

_FIELD_BYTES = 255
"""The longest name and the longest password that RFC 1929 has room for."""


@dataclass(frozen=True, slots=True)
class Login:
    """One name and one password, the same for all applications."""

    name: bytes = field(repr=False)
    password: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME:PASSWORD`, with blanks around it taken off. Raises ConfigError."""
        name, _, password = text.strip().partition(":")
        made = cls(name.encode(), password.encode())
        if not name or len(password) < limits.LOGIN_PASSWORD_CHARS:
            raise ConfigError(
                "The login of the proxy cannot be used: write NAME:PASSWORD on one line, with a "
                f"password of at least {limits.LOGIN_PASSWORD_CHARS} characters."
            )
        if max(len(made.name), len(made.password)) > _FIELD_BYTES or not text.strip().isprintable():
            raise ConfigError(
                "The login of the proxy cannot be used: name and password have at most "
                f"{_FIELD_BYTES} bytes each, on one line."
            )
        return made

    def admits(self, name: bytes, password: bytes) -> bool:
        """Return whether both are right. The time it takes tells nothing about either."""
        names = hmac.compare_digest(_digest(name), _digest(self.name))
        passwords = hmac.compare_digest(_digest(password), _digest(self.password))
        return names & passwords

    def admits_basic(self, value: bytes) -> bool:
        """Return whether the value of a field `Proxy-Authorization` has them (RFC 7617 §2)."""
        scheme, _, written = value.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            name, _, password = base64.b64decode(written.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
        return self.admits(name, password)


def _digest(text: bytes) -> bytes:
    """Return a hash, so that two texts are compared over the same length whatever theirs is."""
    return hashlib.sha256(text).digest()
