"""HTTPS that looks like a browser's: the only importer of curl_cffi.

A TLS ClientHello tells which program sent it, and those of Python and Go have been used to block
such programs. Here ClientHello, HTTP/2 settings and headers are those of a current Chrome.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from curl_cffi import CurlOpt
from curl_cffi.requests import AsyncSession, RequestsError, Response
from curl_cffi.requests.exceptions import CertificateVerifyError, Timeout

from passerelle.errors import LocalError

BROWSER: Final = "chrome"
"""The newest that the library knows."""
CONNECT_TIMEOUT_S: Final = 5.0
"""Longer than a slow mobile network takes for TCP and TLS; a firewall that drops packets is not
waited for longer."""
KEEP_S: Final = 70
"""A connection is used again within this time, so that there is one to a name and minute."""


class FetchFailed(LocalError):
    """A request got no answer that can be used."""


class _TooLong(Exception):
    pass


class Disguise:
    """Connections that are kept and used again; an async context manager."""

    def __init__(self, timeout_s: float) -> None:
        """One request may take `timeout_s`, waiting for others to the same name included."""
        self._timeout_s = timeout_s
        self._session: AsyncSession[Response] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        """A second request to a name waits for the first: it would open a second connection."""

    async def __aenter__(self) -> Self:
        self._session = AsyncSession(
            impersonate=BROWSER,
            # Where the machine names authorities of its own, as for OpenSSL.
            verify=os.environ.get("SSL_CERT_FILE") or True,  # type: ignore[arg-type]
            timeout=self._timeout_s,
            allow_redirects=False,
            # A cookie would let the broker, or somebody between, recognise us.
            discard_cookies=True,
            trust_env=False,
            curl_options={
                # Proxy settings of the environment could point back at ourselves.
                CurlOpt.PROXY: "",
                CurlOpt.CONNECTTIMEOUT_MS: int(1000 * min(CONNECT_TIMEOUT_S, self._timeout_s)),
                CurlOpt.MAXAGE_CONN: KEEP_S,
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self, url: str, *, host: str | None, most: int, body: bytes | None = None
    ) -> bytes:
        """GET `url`, or POST `body` to it, and return the answer of status 200.

        `host` is the request's `Host` where that is not the one of `url`. Raises FetchFailed,
        also for an answer of more than `most` bytes. Cancelling gives the request up.
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
                # Without TLS there is nothing to look like, and an offer of h2c puzzles proxies.
                http_version="v1" if url.startswith("http://") else None,
            )
        except _TooLong:
            raise FetchFailed("the broker answered with more than an answer can hold") from None
        if response.status_code != 200:
            raise FetchFailed(f"the broker answered {response.status_code}")
        return bytes(received)


def _bounded(received: bytearray, most: int) -> Callable[[bytes], int]:
    """Return what takes an answer's decompressed bytes into `received`, up to `most`."""

    def take(chunk: bytes) -> int:
        if len(received) + len(chunk) > most:
            raise _TooLong
        received.extend(chunk)
        return len(chunk)

    return take
