"""The pages by which the proxy tells a person why there is no page of the site.

A site that is opened without TLS can read what a browser shows in its place, so no page and no
field names this program.
"""

from __future__ import annotations

import html
from http import HTTPStatus
from typing import Final

from passerelle.core.localport.httpresponse import ResponseFault
from passerelle.errors import FAILURES, Failure

RETRY_S: Final = 5
"""The time after which a request may be tried again whose failure may pass by itself."""

_TITLES: Final = {
    400: "This request cannot be passed on",
    403: "The exit does not connect there",
    407: "A name and a password are needed",
    431: "This request is too large",
    502: "This site could not be reached",
    501: "Not carried here",
    503: "Not connected at the moment",
    504: "This site did not answer in time",
}
_FAULT_TITLE: Final = "This site's answer cannot be shown"
_FAULTS: Final = {
    ResponseFault.NOT_HTTP: (
        "The site's answer is not HTTP as a proxy may pass it on. The fault is the site's; "
        "its https address may work."
    ),
    ResponseFault.HEAD_TOO_LARGE: (
        "The head of the site's answer is too large. Delete this site's cookies, then try again."
    ),
    ResponseFault.INCOMPLETE: ("The site closed the connection before it had answered. Try again."),
}
_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em}}
:root{{color-scheme:light dark}}small{{opacity:.7}}</style></head>
<body><h1>{title}</h1>{text}
<p><small>The proxy on this computer, error {status}</small></p></body></html>
"""
_AGAIN: Final = "This page tries again by itself."


def error_page(
    status: int, *paragraphs: str, method: bytes, title: str = "", fields: tuple[str, ...] = ()
) -> bytes:
    """Return a whole response with a small page that loads nothing from anywhere.

    Title and paragraphs are plain text; without a title, the status has one. The answer to a HEAD
    request has no page.
    """
    title = title or _TITLES[status]
    text = "".join(f"<p>{html.escape(each)}</p>" for each in paragraphs)
    page = _PAGE.format(title=html.escape(title), text=text, status=status).encode()
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(page)}",
        # The browser shows this page under the site's own origin, so it must not run any script
        # there or stay in the cache.
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Cache-Control: no-store",
        *fields,
        "Connection: close",
    )
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head if method == b"HEAD" else head + page


def failure_page(failure: Failure, method: bytes) -> bytes:
    """Return the answer to a request whose stream failed.

    `Proxy-Status` names the failure (RFC 9209). Where it may pass by itself, programs are told when
    to try again, and a page that a browser shows does so by itself. Only GET may be repeated so.
    """
    report = FAILURES[failure]
    fields = [f"Proxy-Status: proxy; error={failure.value}"]
    paragraphs = [report.sentence]
    if report.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append(f"Retry-After: {RETRY_S}")
        if method == b"GET":
            fields.append(f"Refresh: {RETRY_S}")
            paragraphs.append(_AGAIN)
    return error_page(report.http_status, *paragraphs, method=method, fields=tuple(fields))


def fault_page(fault: ResponseFault, method: bytes) -> bytes:
    """Return the answer to a request whose site's own answer cannot be passed on."""
    status = f"Proxy-Status: proxy; error={fault.value}"
    return error_page(502, _FAULTS[fault], method=method, title=_FAULT_TITLE, fields=(status,))
