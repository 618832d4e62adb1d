from __future__ import annotations

import html.parser
import re

import h11
import pytest

from passerelle.core.localport.httppage import error_page, failure_page, fault_page
from passerelle.core.localport.httpresponse import ResponseFault
from passerelle.errors import FAILURES, Failure


class Page(html.parser.HTMLParser):
    """Collects what a page would load and the text that it shows."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""
        self.tags: set[str] = set()
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [name for name, _ in attrs if name in {"src", "href", "srcset", "action"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(data: bytes, method: bytes = b"GET") -> tuple[int, dict[bytes, bytes], bytes]:
    """Parse a whole response as a strict client does."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    page = b""
    while isinstance(event := client.next_event(), h11.Data):
        page += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data[0] == b""
    return response.status_code, dict(list(response.headers)), page


def test_error_page() -> None:
    """An error page is complete and escaped, loads nothing, and closes the connection."""
    text = 'Try & "again" <script>x</script>'
    status, fields, page = parse(error_page(502, text, method=b"GET", title="No <b>"))
    assert status == 502
    assert fields[b"connection"] == b"close"
    shown = Page(page)
    assert shown.loads == []
    assert text in shown.text
    assert not shown.tags & {"script", "b", "img", "link", "iframe"}
    assert not re.search(rb"url\(|@import", page)


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_a_page(failure: Failure) -> None:
    """Each failure has its status, its sentence on the page, and its name in Proxy-Status."""
    status, fields, page = parse(failure_page(failure, b"GET"))
    assert status == FAILURES[failure].http_status
    assert FAILURES[failure].sentence in Page(page).text
    assert fields[b"proxy-status"].decode() == f"proxy; error={failure.value}"


@pytest.mark.parametrize("fault", ResponseFault)
def test_every_fault_has_a_page(fault: ResponseFault) -> None:
    """Each fault of a site's answer is a 502 with its name in Proxy-Status."""
    status, fields, page = parse(fault_page(fault, b"GET"))
    assert status == 502
    assert fields[b"proxy-status"].decode() == f"proxy; error={fault.value}"
    assert "answer" in Page(page).text


def test_a_failure_that_may_pass_is_tried_again() -> None:
    """Programs are told when, and a page does it by itself, but only what GET asked for."""
    _, fields, page = parse(failure_page(Failure.NO_VOLUNTEER, b"GET"))
    assert fields[b"retry-after"] == fields[b"refresh"] == b"5"
    assert "by itself" in Page(page).text
    _, fields, page = parse(failure_page(Failure.NO_VOLUNTEER, b"POST"), b"POST")
    assert fields[b"retry-after"] == b"5"
    assert b"refresh" not in fields
    assert "by itself" not in Page(page).text
    _, fields, _ = parse(failure_page(Failure.DNS, b"GET"))
    assert not fields.keys() & {b"retry-after", b"refresh"}


def test_no_answer_names_the_program() -> None:
    """A site without TLS can read what stands in its place, and is not told what shows it."""
    for failure in Failure:
        assert b"passerelle" not in failure_page(failure, b"GET").lower()
    for fault in ResponseFault:
        assert b"passerelle" not in fault_page(fault, b"GET").lower()


def test_head_gets_no_page() -> None:
    """The answer to HEAD has no page."""
    status, _, page = parse(failure_page(Failure.DNS, b"HEAD"), b"HEAD")
    assert (status, page) == (502, b"")
