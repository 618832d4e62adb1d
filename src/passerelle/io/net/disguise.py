"""HTTPS requests that look like a browser's. Only this module and `browsersocket` import curl_cffi.

A TLS ClientHello shows which program sent it, and censors have blocked programs by the ClientHello
of Python and of Go. Requests made here have the ClientHello, HTTP/2 settings and headers of a
current Chrome.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urljoin, urlsplit

from curl_cffi import CurlOpt
from curl_cffi.requests import AsyncSession, RequestsError, Response
from curl_cffi.requests.exceptions import CertificateVerifyError, Timeout

from passerelle.errors import LocalError
from passerelle.limits import RENDEZVOUS_CLOCK_SKEW_S

BROWSER: Final = "chrome"
"""The browser to imitate; to the library, this name means the newest Chrome that it knows."""
CONNECT_TIMEOUT_S: Final = 5.0
"""How long TCP and TLS may take. A slow mobile network needs less, and a firewall that drops
packets is not worth a longer wait."""
REUSE_S: Final = 70
"""How long an idle connection may be used again. It is more than a minute, so that there are not
two connections to one name within a minute, which would be conspicuous."""


_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class FetchFailed(LocalError):
    """A request got no usable answer."""


class Redirected(FetchFailed):
    """The answer is at another URL. Nobody follows it unasked: a URL chosen by somebody else is not
    one to send a sealed request to.
    """

    def __init__(self, status: int, location: str) -> None:
        super().__init__(f"the broker answered {status}")
        self.location = location
        """Where the server says the answer is; absolute, not checked."""


class _TooLong(Exception):
    pass


def new_session(timeout_s: float) -> AsyncSession[Response]:
    """Return a pool of connections like a browser's. A request may take `timeout_s`."""
    return AsyncSession(
        impersonate=BROWSER,
        # The variable names the machine's own certificate authorities, as it does for OpenSSL.
        verify=os.environ.get("SSL_CERT_FILE") or True,  # type: ignore[arg-type]
        timeout=timeout_s,
        allow_redirects=False,
        # A cookie would let the broker, or somebody in between, recognise us.
        discard_cookies=True,
        trust_env=False,
        curl_options={
            # The environment may name this client itself as the proxy, so ignore it.
            CurlOpt.PROXY: "",
            CurlOpt.CONNECTTIMEOUT_MS: int(1000 * min(CONNECT_TIMEOUT_S, timeout_s)),
            CurlOpt.MAXAGE_CONN: REUSE_S,
        },
    )


class Disguise:
    """A pool of connections for requests that look like a browser's; an async context manager."""

    def __init__(self, timeout_s: float) -> None:
        """A request may take `timeout_s`, including the wait for others to the same name."""
        self._timeout_s = timeout_s
        self._session: AsyncSession[Response] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        """A lock for each name. A request waits for others to the same name, because it would
        open a second connection beside theirs."""

    async def __aenter__(self) -> Self:
        self._session = new_session(self._timeout_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def forget_connections(self) -> None:
        """Use no connection again that is open now; requests under way get no answer.

        For a computer that is in another network: TCP would notice late that nobody answers.
        """
        before, self._session = self._session, new_session(self._timeout_s)
        self._locks = {}
        assert before is not None  # used as a context manager
        await before.close()

    async def fetch(
        self, url: str, *, host: str | None, most: int, body: bytes | None = None
    ) -> bytes:
        """GET `url`, or POST `body` to it, and return the body of the answer.

        `host` is sent as the request's `Host` field in place of the host of `url`. Raises
        FetchFailed when there is no answer in time, when its status is not 200, or when it is
        longer than `most` bytes, and Redirected when the answer is elsewhere. Cancelling gives up
        the request.
        """
        name = urlsplit(url).netloc
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._locks.setdefault(name, asyncio.Lock()),
            ):
                return await self._request(url, host, most, body)
        except (TimeoutError, Timeout):
            raise FetchFailed("the broker did not answer in time") from None
        except CertificateVerifyError:
            raise FetchFailed(
                "the server's certificate is not valid for its name: somebody may be in between"
            ) from None
        except RequestsError:
            raise FetchFailed("the broker cannot be reached") from None

    async def _request(self, url: str, host: str | None, most: int, body: bytes | None) -> bytes:
        assert self._session is not None  # used as a context manager
        headers = {} if host is None else {"Host": host}
        verb: Literal["GET", "POST"] = "GET"
        if body is not None:
            verb = "POST"
            headers["Content-Type"] = "application/octet-stream"
        received = bytearray()
        try:
            response = await self._session.request(
                verb,
                url,
                data=body,
                headers=headers,
                content_callback=_bounded(received, most),
                # Without TLS there is nothing to imitate, and an offer of h2c confuses proxies.
                http_version="v1" if url.startswith("http://") else None,
            )
        except _TooLong:
            raise FetchFailed("the broker answered with more than an answer can hold") from None
        location = response.headers.get("Location")
        if location and response.status_code in _REDIRECTS:
            raise Redirected(response.status_code, _joined(url, location))
        if response.status_code != 200:
            off = _clock_fault(response.headers.get("Date"), time.time())
            raise FetchFailed(off or f"the broker answered {response.status_code}")
        return bytes(received)


def _joined(url: str, location: str) -> str:
    """Return `location` as an absolute URL, or as it came where it is none."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _clock_fault(date: str | None, now_s: float) -> str:
    """Return what an answer's `Date` says of this computer's clock; empty if the clock is right.

    Anybody on the way can write a `Date` where TLS does not protect it. So it makes a sentence, and
    nothing else: it corrects neither the time in a request nor the look at a descriptor's
    expiry, which an old `Date` could put off.
    """
    try:
        off_s = now_s - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return ""
    if abs(off_s) <= RENDEZVOUS_CLOCK_SKEW_S:
        return ""
    minutes = round(abs(off_s) / 60)
    much = f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
    direction = "fast" if off_s > 0 else "slow"
    return f"this computer's clock is {much} {direction}, so the broker refuses it: set the clock"


def _bounded(received: bytearray, most: int) -> Callable[[bytes], int]:
    """Return a callback that appends decompressed bytes to `received`, up to `most` in all.

    The callback raises _TooLong for more.
    """

    def take(chunk: bytes) -> int:
        if len(received) + len(chunk) > most:
            raise _TooLong
        received.extend(chunk)
        return len(chunk)

    return take
