from __future__ import annotations

import pytest

from passerelle.core.localport.httpbody import Body, Framing
from passerelle.core.localport.httpexchange import HttpExchange
from passerelle.core.localport.httpresponse import Asked
from passerelle.core.localport.request import (
    BadRequest,
    CloseConnection,
    Connect,
    Effect,
    Forward,
    Rejection,
    Send,
)

SECRET_EXCHANGE = HttpExchange(Asked(b"secret"), Body(Framing.LENGTH, 1), keeps=True)


@pytest.mark.parametrize(
    "effect",
    [
        Send(b"secret"),
        Connect("secret", 4711, b"secret"),
        Forward("secret", 4711, b"GET /secret", b"secret", SECRET_EXCHANGE),
    ],
)
def test_repr_withholds(effect: Effect) -> None:
    """The repr of an effect shows neither destination nor payload, so a log cannot either."""
    assert "secret" not in f"{effect!r} {effect}"
    assert "4711" not in repr(effect)


def test_reason_shows() -> None:
    """The reason of a rejection is shown, because it is no secret."""
    assert "COMMAND" in repr(CloseConnection(Rejection.COMMAND))
    assert str(BadRequest(Rejection.SCHEME, 400, "Only http.")) == "Only http."
