"""Parse TLS ClientHellos (RFC 8446 §4.1.2), to tell one program's from another's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))
SERVER_NAME, SUPPORTED_GROUPS, SIGNATURES, ALPN = 0, 10, 13, 16


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The fields of a ClientHello by which censors recognise programs."""

    ciphers: tuple[int, ...]
    extensions: dict[int, bytes]
    """The extensions' contents by number, in the order sent."""

    @classmethod
    def parse(cls, record: bytes) -> Self:
        """Parse one TLS record that holds a whole ClientHello."""
        assert record[0] == 22, "a handshake record"
        assert record[5] == 1, "a ClientHello"
        at = 5 + 4 + 2 + 32
        at += 1 + record[at]
        length = int.from_bytes(record[at : at + 2])
        ciphers = _numbers(record[at + 2 : at + 2 + length])
        at += 2 + length
        at += 1 + record[at]
        end = at + 2 + int.from_bytes(record[at : at + 2])
        at += 2
        extensions = {}
        while at < end:
            number, size = (
                int.from_bytes(record[at : at + 2]),
                int.from_bytes(record[at + 2 : at + 4]),
            )
            extensions[number] = record[at + 4 : at + 4 + size]
            at += 4 + size
        return cls(ciphers, extensions)

    @property
    def is_greased(self) -> bool:
        """Whether ciphers, extensions and groups all hold a GREASE value (RFC 8701)."""
        return all(GREASE & set(values) for values in (self.ciphers, self.extensions, self.groups))

    @property
    def groups(self) -> tuple[int, ...]:
        return _numbers(self.extensions[SUPPORTED_GROUPS][2:])

    @property
    def server_name(self) -> str:
        return self.extensions[SERVER_NAME][5:].decode()

    @property
    def ja4(self) -> str:
        """The fingerprint of TLS 1.3 over TCP: github.com/FoxIO-LLC/ja4, technical_details/JA4.md.

        It ignores GREASE, and the order of ciphers and of extensions.
        """
        ciphers = [number for number in self.ciphers if number not in GREASE]
        extensions = [number for number in self.extensions if number not in GREASE]
        signatures = _numbers(self.extensions[SIGNATURES][2:])
        named = [number for number in extensions if number not in {SERVER_NAME, ALPN}]
        listed = ",".join(f"{number:04x}" for number in sorted(named))
        signed = ",".join(f"{number:04x}" for number in signatures if number not in GREASE)
        protocol = self.alpn[0][0] + self.alpn[0][-1]
        begin = f"t13d{len(ciphers):02}{len(extensions):02}{protocol}"
        sorted_ciphers = ",".join(f"{number:04x}" for number in sorted(ciphers))
        return f"{begin}_{_hash(sorted_ciphers)}_{_hash(f'{listed}_{signed}')}"

    @property
    def alpn(self) -> tuple[str, ...]:
        data, names = self.extensions[ALPN][2:], []
        while data:
            names.append(data[1 : 1 + data[0]].decode())
            data = data[1 + data[0] :]
        return tuple(names)


def _numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
