"""The requests of one link between a reading page and a gateway, and the credit of their answers.

A request is *arriving* until its last frame has come, and *open* from then on until its answer has
been sent. Whatever a link holds is bounded: the requests at once, and the bytes of those that are
arriving. A reader that does not take its answers holds nothing up but these: bytes are sent only
where the answer and the link both have credit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire.gatewayframes import LINK_ID, Frame, FrameType


@dataclass(frozen=True, slots=True)
class Arrived:
    """A sealed request is complete."""

    id: int
    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is one too many, or too long. Its further frames are ignored."""

    id: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The reader does not want the answer of an open request any more. It is closed."""

    id: int


@dataclass(frozen=True, slots=True)
class Credited:
    """More may be sent: of one answer, or of any if `id` is LINK_ID."""

    id: int


@dataclass(frozen=True, slots=True)
class Pinged:
    """The reader wants a PONG with this mark."""

    mark: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The reader has answered the PING with this mark."""

    mark: int


Event = Arrived | Refused | Cancelled | Credited | Pinged | Ponged


class LinkRequests:
    """All requests of one link."""

    def __init__(self) -> None:
        self._arriving: dict[int, bytearray] = {}
        self._arriving_bytes = 0
        self._credits: dict[int, int] = {}
        """Bytes that may be sent of each open request's answer; it may be negative."""
        self._link = limits.GATEWAY_CREDIT_BYTES
        self._last = LINK_ID
        """The largest id so far."""
        self._refused = LINK_ID
        """The id of a request whose further frames are ignored."""

    def __len__(self) -> int:
        """Return how many requests are arriving or open."""
        return len(self._arriving) + len(self._credits)

    @property
    def is_idle(self) -> bool:
        """Whether no request is arriving or open."""
        return not len(self)

    @property
    def arriving(self) -> tuple[int, ...]:
        """The ids of requests whose last frame has not come."""
        return tuple(self._arriving)

    def give_up(self, number: int) -> Refused:
        """Refuse a request that takes too long to arrive."""
        return self._refuse(number)

    def receive(self, frame: Frame) -> Event | None:
        """Take a frame of the reader.

        Raises PeerError: UNEXPECTED for a frame that a reader does not send, FLOW for more credit
        than anybody may give.
        """
        match frame.kind:
            case FrameType.REQUEST | FrameType.REQUEST_END:
                return self._request(frame)
            case FrameType.CREDIT:
                return self._credit(frame)
            case FrameType.RESET:
                return self._reset(frame.id)
            case FrameType.ANSWER | FrameType.ANSWER_END:
                raise PeerError(LinkCode.UNEXPECTED, "an answer from a reader")
            case FrameType.PING:
                return Pinged(frame.count)
            case FrameType.PONG:
                return Ponged(frame.count)

    def room(self, number: int) -> int:
        """Return how many bytes of an open request's answer may be sent now; 0 or less for none."""
        return min(self._credits[number], self._link)

    def spend(self, number: int, size: int) -> None:
        """Count bytes that are sent. A frame is sent whole once there is any room for it."""
        self._credits[number] -= size
        self._link -= size

    def close(self, number: int) -> None:
        """Forget an open request, whose answer has been sent or has failed."""
        self._credits.pop(number, None)

    def _request(self, frame: Frame) -> Event | None:
        number = frame.id
        if number == self._refused:
            return None
        if number not in self._arriving:
            if number <= self._last:
                # A request that was reset a moment ago may have had frames on their way.
                return None
            self._last = number
            if len(self) >= limits.GATEWAY_REQUESTS:
                return self._refuse(number)
            self._arriving[number] = bytearray()
        message = self._arriving[number]
        message += frame.body
        self._arriving_bytes += len(frame.body)
        if (
            len(message) > limits.GATEWAY_REQUEST_BYTES
            or self._arriving_bytes > limits.GATEWAY_WAITING_BYTES
        ):
            return self._refuse(number)
        if frame.kind is FrameType.REQUEST:
            return None
        self._drop(number)
        self._credits[number] = limits.GATEWAY_CREDIT_BYTES
        return Arrived(number, bytes(message))

    def _refuse(self, number: int) -> Refused:
        self._drop(number)
        self._refused = number
        return Refused(number)

    def _drop(self, number: int) -> None:
        self._arriving_bytes -= len(self._arriving.pop(number, b""))

    def _credit(self, frame: Frame) -> Event | None:
        if frame.id == LINK_ID:
            self._link += frame.count
            if self._link > limits.GATEWAY_CREDIT_MOST_BYTES:
                raise PeerError(LinkCode.FLOW, "more credit than a link may have")
        elif frame.id in self._credits:
            self._credits[frame.id] += frame.count
            if self._credits[frame.id] > limits.GATEWAY_CREDIT_MOST_BYTES:
                raise PeerError(LinkCode.FLOW, "more credit than an answer may have")
        else:
            return None  # the answer was sent while the credit was on its way
        return Credited(frame.id)

    def _reset(self, number: int) -> Event | None:
        self._drop(number)
        if self._credits.pop(number, None) is None:
            return None
        return Cancelled(number)
