"""One request of an application and the site's answer to it, without I/O."""

from __future__ import annotations

from typing import Final

from passerelle.core.localport.httpbody import Body, MalformedBody
from passerelle.core.localport.httppage import error_page, failure_page, fault_page
from passerelle.core.localport.httpresponse import Asked, BadResponse, HttpResponse
from passerelle.errors import PasserelleError, StreamFailed

_BAD_BODY: Final = "The request's body is not well-formed HTTP."


class HttpExchange:
    """Frames the request's content for the site, and the answer for the application.

    Both directions are independent of each other: an answer may begin before the request is
    complete, and may be complete before it. The connection is closed then, which the answer says.
    """

    def __init__(self, asked: Asked, content: Body, *, keeps: bool) -> None:
        """`keeps` says whether the application wants its connection kept."""
        self._method = asked.method
        self._content = content
        self._response = HttpResponse(asked)
        self._keeps = keeps

    @property
    def sent(self) -> bool:
        """Whether the request is complete."""
        return self._content.complete

    @property
    def rest(self) -> bytes:
        """What the application has sent after the request: its next one, or the new protocol."""
        return self._content.rest

    @property
    def complete(self) -> bool:
        """Whether the answer is complete."""
        return self._response.complete

    @property
    def switched(self) -> bool:
        """Whether all bytes, `rest` first, pass unchanged from now on (RFC 9110 §7.8)."""
        return self._response.switched

    @property
    def keeps_connection(self) -> bool:
        """Whether the next request may come on the connection, once the answer is complete."""
        return self._keeps

    @property
    def cut_is_hidden(self) -> bool:
        """Whether an application that is told of an end here would take the answer for complete."""
        return self._response.ends_by_close and not self._response.complete

    def send(self, data: bytes) -> bytes:
        """Return the bytes of the application that go to the site. Raises MalformedBody."""
        return self._content.receive(data)

    def receive(self, data: bytes) -> bytes:
        """Return the bytes of the site that go to the application. Raises BadResponse."""
        begun = self._response.begun
        answer = self._response.receive(data, closes=not (self._keeps and self.sent))
        if self._response.begun and not begun:
            # What the head said of the connection holds.
            self._keeps = self._keeps and self.sent and not self._response.ends_by_close
        return answer

    def receive_end(self) -> None:
        """Take the end of the site's side. Raises BadResponse if the answer is not complete."""
        self._response.receive_end()

    def explain(self, error: PasserelleError) -> bytes:
        """Return an answer in place of the site's, or nothing if the site's has begun."""
        if self._response.begun:
            return b""
        if isinstance(error, StreamFailed):
            return failure_page(error.failure, self._method)
        if isinstance(error, BadResponse):
            return fault_page(error.fault, self._method)
        assert isinstance(error, MalformedBody)  # nothing else is raised here
        return error_page(400, _BAD_BODY, method=self._method)
