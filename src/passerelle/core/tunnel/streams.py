"""Streams inside a session: HTTP/2 CONNECT (RFC 9113 §8.5) over the session's byte stream.

A stream carries one TCP connection, or one UDP flow as CONNECT-UDP (RFC 9298, by the extended
CONNECT of RFC 8441), whose capsules are its bytes.

`Streams` is a thin layer over the `h2` library. It fixes who may do what (only clients open, only
CONNECT), turns answers into `Failure`s (as RFC 9209 `proxy-status` tells them), and owns the
receive windows. A stream's window starts small and doubles as long as its application keeps up,
within one budget per session. So a fast download fills a long path, and a stalled one holds little.
At the client the window of the whole connection is the sum of what all streams may hold, so that
one stalled stream stalls no other.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

from passerelle import limits
from passerelle.core.address.host import HostError, join_authority, split_authority
from passerelle.core.ledger import Ledger
from passerelle.core.tunnel.framecount import FrameCount
from passerelle.core.tunnel.masque import PROTOCOL, join_path, split_path
from passerelle.core.tunnel.streamevents import (
    Ended,
    Event,
    Failed,
    FlowRequested,
    Greeted,
    Malformed,
    Opened,
    Received,
    Requested,
    Writable,
)
from passerelle.errors import Failure, LinkCode, PeerError, StreamFailed

_PREFACE_BYTES = 24
"""Length of a client's connection preface (RFC 9113 §3.4)."""
_DEFAULT_WINDOW = 65_535
"""The window that RFC 9113 §6.9.2 gives a connection before any WINDOW_UPDATE."""
_FRAME_BYTES = 64 * limits.KIB
"""Largest DATA frame. Few large frames cost less Python than many small ones."""
_PROXY_STATUS = "passerelle; error="
_PROXY = "exit"
""":authority of a flow's request. RFC 9298 §3.4 wants the proxy's name, and the exit needs none."""
_CAPSULES = ("capsule-protocol", "?1")
"""The header that says that the stream's bytes are capsules (RFC 9297 §3.4)."""
_STATUS = {
    Failure.POLICY: "403",
    Failure.TIMEOUT: "504",
    Failure.LIMIT: "503",
}

# h2 makes a text of each frame that it receives for a log, also where there is none, and hyperframe
# writes out all bytes of the frame for it: a twentieth of a client's work in a download.
hyperframe.frame.Frame.__repr__ = object.__repr__  # type: ignore[method-assign]


@dataclass(slots=True)
class _Stream:
    flow: bool = False
    """Whether the stream carries datagrams."""
    window: int = limits.STREAM_WINDOW_BYTES
    unread: int = 0
    """Bytes received and not yet consumed."""
    credit: int = 0
    """Bytes consumed and not yet given back to the far side's window."""
    kept_up: bool = False
    """Whether nothing was unread at some time since the window grew last."""
    sent_end: bool = False
    received_end: bool = False


class Streams:
    """The streams at one end of a session, by their HTTP/2 numbers."""

    def __init__(self, *, client: bool, flows: bool = True, ledger: Ledger | None = None) -> None:
        """`flows` says, at the exit, whether UDP is offered.

        The far side's frames are charged to `ledger`, with None to one of its own.
        """
        self._client = client
        self._flows = flows and not client
        self._greeted = False
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=client, header_encoding=None)
        )
        self._streams: dict[int, _Stream] = {}
        self._growth_left = limits.STREAM_GROWTH_BYTES
        self._connection_credit = 0
        self._resets_due = 0
        """RST_STREAMs that the far side may still send at no charge: one for each stream."""
        self._ledger = ledger or Ledger()
        self._frames = FrameCount(0 if client else _PREFACE_BYTES)
        settings = {
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW_BYTES,
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: limits.STREAMS_PER_SESSION,
            h2.settings.SettingCodes.MAX_FRAME_SIZE: _FRAME_BYTES,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: limits.STREAM_HEADER_BYTES,
        }
        if self._flows:
            settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        self._h2.local_settings = h2.settings.Settings(client=client, initial_values=settings)
        self._h2.max_inbound_frame_size = _FRAME_BYTES
        # h2 would use the bound of the settings only once the far side has acknowledged them.
        self._h2.decoder.max_header_list_size = limits.STREAM_HEADER_BYTES
        self._h2.initiate_connection()
        self._window = limits.CLIENT_WINDOW_BYTES if client else limits.CONNECTION_WINDOW_BYTES
        self._h2.increment_flow_control_window(self._window - _DEFAULT_WINDOW)

    @property
    def open_count(self) -> int:
        """How many streams are not over."""
        return len(self._streams)

    @property
    def has_room(self) -> bool:
        """Whether one more stream may be open.

        A client holds itself to the bound before the exit's SETTINGS have told it: an exit ends a
        session that exceeds it.
        """
        return len(self._streams) < limits.STREAMS_PER_SESSION

    def output(self) -> bytes:
        """Return the bytes to write to the session."""
        return self._h2.data_to_send()

    # --- client ---------------------------------------------------------------------------------

    def open(self, host: str, port: int) -> int:
        """Ask the exit to connect to `host:port` and return the stream's number.

        Data may be sent on the stream at once. Raises StreamFailed(LIMIT) when too many streams are
        open.
        """
        return self._open([(":method", "CONNECT"), (":authority", join_authority(host, port))])

    @property
    def offers_flows(self) -> bool:
        """Whether the exit has said that it carries UDP (RFC 8441 §3)."""
        return bool(self._h2.remote_settings.enable_connect_protocol)

    def open_flow(self, host: str, port: int) -> int:
        """Ask the exit to exchange datagrams with `host:port` and return the stream's number.

        Raises StreamFailed: NO_DATAGRAMS if the exit does not offer UDP, and before `Greeted`;
        LIMIT when too many flows or streams are open.
        """
        if not self.offers_flows:
            raise StreamFailed(Failure.NO_DATAGRAMS)
        if sum(state.flow for state in self._streams.values()) >= limits.FLOWS_PER_SESSION:
            # The exit would refuse the flow, which until then would take the place of a TCP stream.
            raise StreamFailed(Failure.LIMIT)
        return self._open(
            [
                (":method", "CONNECT"),
                (":protocol", PROTOCOL),
                (":scheme", "https"),
                (":authority", _PROXY),
                (":path", join_path(host, port)),
                _CAPSULES,
            ],
            flow=True,
        )

    def _open(self, headers: list[tuple[str, str]], *, flow: bool = False) -> int:
        if not self.has_room:
            raise StreamFailed(Failure.LIMIT)
        stream = self._h2.get_next_available_stream_id()
        try:
            self._h2.send_headers(stream, headers)
        except h2.exceptions.TooManyStreamsError:
            raise StreamFailed(Failure.LIMIT) from None
        self._add(stream, flow=flow)
        return stream

    # --- exit -----------------------------------------------------------------------------------

    def accept(self, stream: int) -> None:
        """Tell the client that the exit has connected."""
        if stream in self._streams:
            # RFC 9298 §3.5 wants a second header of an accepted flow. TCP streams do not need it.
            capsules = [_CAPSULES] if self._streams[stream].flow else []
            self._h2.send_headers(stream, [(":status", "200"), *capsules])

    def refuse(self, stream: int, failure: Failure) -> None:
        """Tell the client why the exit has not connected, and end the stream."""
        if stream not in self._streams:
            return
        headers = [
            (":status", _STATUS.get(failure, "502")),
            ("proxy-status", _PROXY_STATUS + failure.value),
        ]
        self._h2.send_headers(stream, headers, end_stream=True)
        # A reset without an error asks the client to stop sending (RFC 9113 §8.1).
        self._reset(stream, h2.errors.ErrorCodes.NO_ERROR)
        self._forget(stream)

    # --- both -----------------------------------------------------------------------------------

    def sendable(self, stream: int) -> int:
        """Return how many bytes the far side's windows allow on a stream now."""
        state = self._streams.get(stream)
        if state is None or state.sent_end:
            return 0
        return max(0, self._h2.local_flow_control_window(stream))

    def send(self, stream: int, data: bytes) -> None:
        """Send `data`, which is no longer than `sendable`."""
        if stream in self._streams:
            largest = self._h2.max_outbound_frame_size
            for start in range(0, len(data), largest):
                self._h2.send_data(stream, data[start : start + largest])

    def end(self, stream: int) -> None:
        """Send no more on a stream. The other direction stays open."""
        state = self._streams.get(stream)
        if state is None or state.sent_end:
            return
        self._h2.end_stream(stream)
        state.sent_end = True
        self._forget_if_over(stream, state)

    def reset(self, stream: int) -> None:
        """Break a stream off in both directions (RFC 9113 §8.5: a TCP error)."""
        if stream in self._streams:
            self._reset(stream, h2.errors.ErrorCodes.CONNECT_ERROR)
            self._forget(stream)

    def consumed(self, stream: int, size: int) -> None:
        """Let the far side send `size` bytes more: the application has taken as many."""
        state = self._streams.get(stream)
        if state is None:
            return
        state.unread -= size
        state.credit += size
        state.kept_up = state.kept_up or not state.unread
        self._release_connection(size)
        # A quarter of the window is given back early: on a lossy path the rest may be full of bytes
        # that wait for a lost one before them.
        if state.credit >= state.window // 4 and not state.received_end:
            growth = self._growth(state)
            state.window += growth
            self._h2.increment_flow_control_window(state.credit + growth, stream)
            state.credit = 0
        self._forget_if_over(stream, state)

    def receive(self, data: bytes | memoryview, now: float = 0.0) -> list[Event]:
        """Take bytes from the session; `now` is monotonic seconds.

        Raises PeerError, after which the session is over: MALFORMED when the far side breaks the
        rules of HTTP/2, LIMIT when it sends too many frames that move nothing, NORMAL when it ends
        the session.
        """
        frames = self._frames.feed(data)
        try:
            events = self._h2.receive_data(data)
        except (h2.exceptions.H2Error, ValueError) as error:
            raise PeerError(LinkCode.MALFORMED, "the far side broke HTTP/2") from error
        out: list[Event] = []
        for event in events:
            frames -= self._moves_something(event)
            self._translate(event, out)
        # A malformed request is answered by a reset, which costs as much again.
        frames += 2 * sum(isinstance(event, Malformed) for event in out)
        self._ledger.charge_idle(frames, now)
        return out

    def _moves_something(self, event: h2.events.Event) -> bool:
        """Return whether the frame behind an event did some good; otherwise it was idle.

        Floods of idle frames are known attacks (CVE-2019-9511 to 9518, CVE-2023-44487).
        """
        match event:
            case h2.events.DataReceived(stream_id=stream, data=data, stream_ended=ended):
                return stream in self._streams and bool(data or ended)
            case h2.events.RequestReceived():
                return True
            case h2.events.ResponseReceived(stream_id=stream):
                return stream in self._streams
            case h2.events.WindowUpdated(delta=delta):
                return (delta or 0) >= limits.STREAM_UPDATE_LEAST_BYTES
            case h2.events.StreamReset() if self._resets_due:
                self._resets_due -= 1
                return True
            case _:
                return False

    def _translate(self, event: h2.events.Event, out: list[Event]) -> None:
        match event:
            case h2.events.DataReceived():
                self._data_received(event, out)
            case h2.events.RequestReceived():
                self._request_received(event, out)
            case h2.events.ResponseReceived():
                self._response_received(event, out)
            case h2.events.StreamEnded(stream_id=stream):
                state = self._streams.get(stream)
                if state is not None:
                    state.received_end = True
                    out.append(Ended(stream))
                    self._forget_if_over(stream, state)
            case h2.events.StreamReset(stream_id=stream):
                if stream in self._streams:
                    self._forget(stream)
                    out.append(Failed(stream, Failure.SESSION_LOST))
            case h2.events.WindowUpdated(stream_id=stream):
                out.append(Writable(stream or 0))
            case h2.events.RemoteSettingsChanged():
                if not self._greeted:
                    self._greeted = True
                    out.append(Greeted())
                out.append(Writable())
            case h2.events.ConnectionTerminated():
                raise PeerError(LinkCode.NORMAL, "the far side ended the session")
            case _:
                pass

    def _data_received(self, event: h2.events.DataReceived, out: list[Event]) -> None:
        size = event.flow_controlled_length or 0
        state = self._streams.get(event.stream_id)
        if state is None:
            self._release_connection(size)
            return
        state.unread += size
        if event.data:
            out.append(Received(event.stream_id, event.data, size))
        elif size:
            self.consumed(event.stream_id, size)  # only padding

    def _request_received(self, event: h2.events.RequestReceived, out: list[Event]) -> None:
        stream = event.stream_id
        try:
            requested = self._read_request(stream, dict(event.headers or ()))
        except (HostError, UnicodeDecodeError):
            self._reset(stream, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            out.append(Malformed())
            return
        self._add(stream, flow=isinstance(requested, FlowRequested))
        out.append(requested)

    def _read_request(self, stream: int, headers: dict[bytes, bytes]) -> Requested | FlowRequested:
        """Return what a request asks for.

        Raises HostError or UnicodeDecodeError for a request that is not served.
        """
        if headers.get(b":method") != b"CONNECT":
            raise HostError
        if self._flows and headers.get(b":protocol") == PROTOCOL.encode():
            host, port = split_path(headers[b":path"].decode())
            return FlowRequested(stream, host, port)
        if b":path" in headers:
            raise HostError
        host, port = split_authority(headers.get(b":authority", b"").decode())
        return Requested(stream, host, port)

    def _response_received(self, event: h2.events.ResponseReceived, out: list[Event]) -> None:
        stream = event.stream_id
        headers = dict(event.headers or ())
        if headers.get(b":status") == b"200":
            out.append(Opened(stream))
            return
        out.append(Failed(stream, _read_failure(headers.get(b"proxy-status", b""))))
        if event.stream_ended is None:
            self._reset(stream, h2.errors.ErrorCodes.CANCEL)
        self._forget(stream)

    def _add(self, stream: int, *, flow: bool) -> None:
        self._streams[stream] = _Stream(flow=flow)
        # An application that breaks off each of its requests is an ordinary one: a reset costs no
        # more than its request, which the ticket's quota counts.
        self._resets_due += 1

    def _reset(self, stream: int, code: h2.errors.ErrorCodes) -> None:
        # Both ends may have ended the stream, even in the same bytes that gave reason to reset it.
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            self._h2.reset_stream(stream, code)

    def _release_connection(self, size: int) -> None:
        """Widen the connection's window again, in batches."""
        self._connection_credit += size
        if self._connection_credit >= self._window // 4:
            self._h2.increment_flow_control_window(self._connection_credit)
            self._connection_credit = 0

    def _growth(self, state: _Stream) -> int:
        """Return by how much to widen a stream's window: doubled if its reader keeps up.

        A reader keeps up if it had read everything at some time since the window grew last. It need
        not have read everything now: where packets are lost, the bytes that waited for them come in
        bursts of more than the quarter of a window that is given back at a time.
        """
        if not state.kept_up:
            return 0
        state.kept_up = False
        growth = min(state.window, limits.STREAM_WINDOW_CAP_BYTES - state.window)
        growth = max(0, min(growth, self._growth_left))
        self._growth_left -= growth
        return growth

    def _forget_if_over(self, stream: int, state: _Stream) -> None:
        if state.sent_end and state.received_end and not state.unread:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        state = self._streams.pop(stream)
        self._growth_left += state.window - limits.STREAM_WINDOW_BYTES
        self._release_connection(state.unread)


def _read_failure(proxy_status: bytes) -> Failure:
    try:
        return Failure(proxy_status.decode().removeprefix(_PROXY_STATUS))
    except ValueError:
        return Failure.INTERNAL
