"""The outcome of feeding a decoder: no error, or the one error it declares."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.errors import LinkCode, PeerError


def refusal(action: Callable[[], object]) -> LinkCode | None:
    """Return the code of the PeerError that `action` raised, None if it went well."""
    try:
        action()
    except PeerError as error:
        return error.code
    return None
