"""Counts the frames in an HTTP/2 byte stream (RFC 9113 §4.1), and looks at nothing but headers."""

from __future__ import annotations

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

_HEADER_BYTES = 9
_DATA = 0


class FrameCount:
    """Follows one direction of a connection, whatever pieces its bytes come in."""

    __slots__ = ("_header", "_left")

    def __init__(self, preface_bytes: int = 0) -> None:
        """Skip `preface_bytes` first: a client's connection begins with a preface."""
        self._header = bytearray()
        """What has come of a header that is not complete."""
        self._left = preface_bytes
        """Bytes that are still to come of what is skipped."""

    def feed(self, data: bytes | memoryview) -> int:
        """Return how many frames end in `data`.

        Raises PeerError(MALFORMED) for a frame other than DATA that is longer than a whole header
        list may be: HTTP/2 would hold it until its end.
        """
        position, end, frames = 0, len(data), 0
        while position < end:
            if self._left:
                step = min(self._left, end - position)
                position += step
                self._left -= step
                # A preface ends like a frame. It is one piece of work too.
                frames += not self._left
                continue
            missing = _HEADER_BYTES - len(self._header)
            self._header += data[position : position + missing]
            position += missing
            if len(self._header) == _HEADER_BYTES:
                self._left = int.from_bytes(self._header[:3], "big")
                if self._left > limits.STREAM_HEADER_BYTES and self._header[3] != _DATA:
                    raise PeerError(LinkCode.MALFORMED, "a frame longer than any header list")
                self._header.clear()
                frames += not self._left
        return frames
