"""Doors: web servers of others that pass sealed messages on, and how a broker knows them.

A door is a base URL. Four paths exist below it, and each leads to one place:

| request                       | leads to                              |
|-------------------------------|---------------------------------------|
| `GET …/v1/network`            | `GET <broker>/v1/network`             |
| `POST …/v1/rendezvous`        | `POST <broker>/v1/rendezvous`         |
| `POST …/v1/gateway/EXIT`      | `POST <exit>/v1/gateway`              |
| `GET …/v1/link/EXIT`          | the WebSocket `<exit>/v1/link`        |

A POST of `TRIAL` to the broker asks for nothing but `receipt`: by it the network's operator sees
that a door passes messages on, and says its key.

A door drops all fields of a request but those of the WebSocket, and adds HEADER with its key. So a
broker counts its readers as a crowd, and does not take the door's address for a reader's.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passerelle import limits
from passerelle.wire import base64url
from passerelle.wire.rendezvous import SEALED_OVERHEAD_BYTES
from passerelle.wire.websocket import LINK_PATH

HEADER: Final = "Passerelle-Door"
KEY_CHARS: Final = 43
TRIAL: Final = bytes(min(limits.SEALED_SIZES) + SEALED_OVERHEAD_BYTES)
"""A message of a size that doors pass on, which nobody has sealed."""
_CONTEXT = b"passerelle door 1 "
_RECEIPT_CONTEXT = b"passerelle door receipt 1 "


def link_url(url: str, exit_id: str) -> str:
    """Return where the door at `url` takes links to an exit: a URL that begins with `ws`."""
    return f"{url.replace('http', 'ws', 1)}{LINK_PATH}/{exit_id}"


def door_key(seal_key: X25519PrivateKey, url: str) -> str:
    """Return the key of the door at `url`, 43 characters, for the brokers that have `seal_key`."""
    derived = HKDF(SHA256(), 32, salt=None, info=_CONTEXT + url.encode())
    return base64url.encode(derived.derive(seal_key.private_bytes_raw()))


def receipt(key: str) -> bytes:
    """Return a broker's answer to TRIAL from the door that has this key: 32 bytes."""
    digest = Hash(SHA256())
    digest.update(_RECEIPT_CONTEXT + key.encode())
    return digest.finalize()
