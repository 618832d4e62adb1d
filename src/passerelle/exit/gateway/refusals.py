"""What a gateway answers itself, when it does not pass on the site's answer.

Each is a sealed answer like the site's own. `Proxy-Status` (RFC 9209) tells them apart, which the
gateway takes out of the site's answers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus

from passerelle.errors import Failure, PasserelleError
from passerelle.wire.binaryhttp import Fields


@dataclass(frozen=True, slots=True)
class Words:
    """How one refusal is told."""

    status: HTTPStatus
    error: str
    """Proxy error type of RFC 9209 §2.3."""
    sentence: str
    """What happened and what to do next, for a person."""


class Refusal(enum.Enum):
    """Why a request got no answer of the site. Values are metric labels."""

    MALFORMED = "malformed"
    """It is no HTTP request that a gateway passes on."""
    METHOD = "method"
    TICKET = "ticket"
    """It has no client ticket that is valid."""
    QUOTA = "quota"
    """Its ticket's quota is used up."""
    CLOCK = "clock"
    """It would change something, and its `Date` is missing, far off, or from before the start."""
    NAME = "name"
    """It is for a name that is not the publisher's, or that leads where the policy forbids."""
    DNS = "dns"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    """The site's certificate is not valid for its name."""
    GARBLED = "garbled"
    """The site's answer is no proper HTTP."""
    REPEATED = "repeated"
    """The answer to its `Idempotency-Key` is not remembered."""


WORDS: dict[Refusal, Words] = {
    Refusal.MALFORMED: Words(
        HTTPStatus.BAD_REQUEST, "http_request_error", "The gateway cannot read this request."
    ),
    Refusal.METHOD: Words(
        HTTPStatus.NOT_IMPLEMENTED,
        "http_request_error",
        "The gateway does not pass this kind of request on.",
    ),
    Refusal.TICKET: Words(
        HTTPStatus.UNAUTHORIZED,
        "http_request_denied",
        "The ticket of this request is missing or has expired. Ask a broker for another one.",
    ),
    Refusal.QUOTA: Words(
        HTTPStatus.TOO_MANY_REQUESTS,
        "connection_limit_reached",
        "More is asked for than the exit gives to one reader. Try again in a few minutes.",
    ),
    Refusal.CLOCK: Words(
        HTTPStatus.TOO_EARLY,
        "http_request_denied",
        "This may be a repeated request. If the clock of this device is right, send it again.",
    ),
    Refusal.NAME: Words(
        HTTPStatus.FORBIDDEN,
        "destination_ip_prohibited",
        "This network serves the publisher's own site only. Other addresses cannot be opened here.",
    ),
    Refusal.DNS: Words(
        HTTPStatus.BAD_GATEWAY, "dns_error", "The exit could not find the name of the site."
    ),
    Refusal.UNREACHABLE: Words(
        HTTPStatus.BAD_GATEWAY,
        "destination_unavailable",
        "The site does not answer. It may be down; try again later.",
    ),
    Refusal.TIMEOUT: Words(
        HTTPStatus.GATEWAY_TIMEOUT,
        "http_response_timeout",
        "The site did not answer in time. Try again later.",
    ),
    Refusal.CERTIFICATE: Words(
        HTTPStatus.BAD_GATEWAY,
        "tls_certificate_error",
        "The site could not prove that it is the publisher's. Tell the publisher.",
    ),
    Refusal.GARBLED: Words(
        HTTPStatus.BAD_GATEWAY,
        "http_protocol_error",
        "The site's answer cannot be read. Tell the publisher.",
    ),
    Refusal.REPEATED: Words(
        HTTPStatus.CONFLICT,
        "http_request_denied",
        "This was sent already, and its answer is not known any more. Look whether it was done.",
    ),
}

CUT: Fields = ((b"proxy-status", b'passerelle; error=http_response_incomplete; details="cut"'),)
"""The trailers of an answer whose content the site has not sent to its end (RFC 9209 §2.3.9)."""

FAILURES: dict[Failure, Refusal] = {
    Failure.POLICY: Refusal.NAME,
    Failure.DNS: Refusal.DNS,
    Failure.LIMIT: Refusal.QUOTA,
    Failure.TIMEOUT: Refusal.TIMEOUT,
}
"""Failures to reach the site; every other one is `Refusal.UNREACHABLE`."""


class RequestRefused(PasserelleError):
    """A request gets a refusal as its answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        return WORDS[self.refusal].sentence


def answer(refusal: Refusal) -> tuple[int, Fields, bytes]:
    """Return status, fields and content of a refusal."""
    words = WORDS[refusal]
    content = f"{words.sentence}\n".encode()
    status = f'passerelle; error={words.error}; details="{refusal.value}"'
    fields = (
        (b"proxy-status", status.encode()),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    )
    return words.status.value, fields, content
