"""One end of a link: envelope, TLS and frames over a transport."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Protocol

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost, PeerError
from passerelle.io.tunnel.pace import Pace
from passerelle.io.tunnel.tls import TlsPipe
from passerelle.io.tunnel.transport import Transport, Windows
from passerelle.wire import control, envelope
from passerelle.wire.control import Control
from passerelle.wire.frames import Close, Frame, FrameReader, encode

_PADDING_LEAST_BYTES = 64
_PADDING_SPREAD_BYTES = 1200


class LinkHandler(Protocol):
    """Uses a link."""

    def link_ready(self, link: SecureLink) -> None:
        """TLS is done: frames may be sent."""

    def link_frames(self, link: SecureLink, frames: list[Frame]) -> None:
        """Take frames. A PeerError raised here closes the link with its code."""

    def link_draining(self, link: SecureLink) -> None:
        """The relay announces its end."""

    def link_control(self, link: SecureLink, message: Control) -> None:
        """The relay says something else."""

    def link_windows(self, link: SecureLink) -> None:
        """`SecureLink.windows` may have changed."""

    def link_lost(self, link: SecureLink, error: LinkLost) -> None:
        """The link is over. Called once, but not after `close`."""


class SecureLink:
    """One link, from TLS handshake to close.

    A fault on the way (altered bytes, a wrong key, a malformed frame) ends this link and nothing
    else.
    """

    def __init__(
        self, number: int, transport: Transport, tls: TlsPipe, handler: LinkHandler
    ) -> None:
        self.number = number
        self._handler = handler
        self.bytes_sent = 0
        """Bytes of link messages that the transport was given."""
        self.bytes_received = 0
        """Bytes of link messages that the transport has delivered."""
        self.ended: LinkCode | None = None
        """Why the link is over; None as long as it is not."""
        self.pace: Pace | None = None
        """Says when more is to be read; None: at any time."""
        self._transport = transport
        self._tls = tls
        self._reader = FrameReader()
        self._closed = False
        self._enveloped_out = limits.ENVELOPED_MESSAGES
        self._enveloped_in = limits.ENVELOPED_MESSAGES
        # Each link pads its messages to a spread of its own, so that no two links look alike.
        self._padding_spread = _PADDING_LEAST_BYTES + secrets.randbelow(_PADDING_SPREAD_BYTES)

    @property
    def closed(self) -> bool:
        """Whether the link is over."""
        return self._closed

    def windows(self, rtt_s: float) -> Windows | None:
        """See `Transport.windows`."""
        return self._transport.windows(rtt_s)

    def start(self) -> None:
        """Begin the TLS handshake."""
        self._transport.start(self)
        self._tls.handshake()
        self._flush()

    def hand_over(self, handler: LinkHandler) -> None:
        """Let `handler` hear of everything that happens from now on, in place of the one before.

        A link changes hands once, by design: a handshake handles it until both ends know which
        session it belongs to, and that session's tunnel handles it afterwards.
        """
        self._handler = handler

    def send(self, frames: Iterable[Frame]) -> None:
        """Send frames. Small ones that follow each other share a record."""
        batch: list[bytes] = []
        size = 0
        for frame in frames:
            encoded = encode(frame)
            if size + len(encoded) > limits.RECORD_BYTES:
                self._write(batch)
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded)
        if batch:
            self._write(batch)

    def send_control(self, message: Control) -> None:
        """Say something to the relay."""
        if not self._closed:
            self._transport.send_control(control.encode(message))

    def close(self, code: LinkCode, *, ends_session: bool = False) -> None:
        """Tell the far end why, then close. Idempotent. The handler hears nothing more.

        With `ends_session` the far end learns that the whole session is over.
        """
        if self._closed:
            return
        if self._tls.established:
            self.send([Close(code, ends_session)])
        self._end(code)
        self._transport.close(code)

    def give_up(self, error: LinkLost, *, ends_session: bool = False) -> None:
        """Do as `close` does, and let the handler hear that the link is lost."""
        self.close(error.code, ends_session=ends_session)
        self._handler.link_lost(self, error)

    # --- Receiver -------------------------------------------------------------------------------

    def message_received(self, message: bytes) -> None:
        """Take one message from the transport."""
        if self._closed:
            return
        self.bytes_received += len(message)
        pace = self.pace
        if pace is not None:
            pace.begin()
        try:
            self._take(message)
        except PeerError as error:
            self._fail(error)
        if pace is not None:
            pace.received()

    async def rest(self) -> None:
        """Wait until more is to be read. Cancelling changes nothing."""
        if self.pace is not None:
            await self.pace.rest()

    def control_received(self, text: str) -> None:
        """Take what the relay itself says."""
        if self._closed:
            return
        try:
            message = control.decode(text)
            if isinstance(message, control.RelayDrain):
                self._handler.link_draining(self)
            elif message is not None:
                self._handler.link_control(self, message)
        except PeerError as error:
            self._fail(error)

    def windows_changed(self) -> None:
        """Learn that `Transport.windows` may have changed."""
        if not self._closed:
            self._handler.link_windows(self)

    def transport_lost(self, error: LinkLost) -> None:
        """Learn that the transport is gone."""
        if not self._closed:
            self._end(error.code)
            self._handler.link_lost(self, error)

    # --- inside ---------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        if self._enveloped_in:
            self._enveloped_in -= 1
            message = envelope.unwrap(message)
        self._tls.feed(message)
        if not self._tls.established:
            self._tls.handshake()
            self._flush()
            if self._tls.established:
                self._handler.link_ready(self)
        if self._tls.established and not self._closed:
            frames = [frame for plain in self._tls.read() for frame in self._reader.feed(plain)]
            if frames:
                self._deliver(frames)

    def _deliver(self, frames: list[Frame]) -> None:
        last = frames[-1]
        closing = isinstance(last, Close) and not last.ends_session
        if closing:
            frames = frames[:-1]
        if frames and not self._closed:
            self._handler.link_frames(self, frames)
        if closing and not self._closed:
            assert isinstance(last, Close)  # for the type checker
            self._end(last.code)
            self._transport.close(LinkCode.NORMAL)
            self._handler.link_lost(self, LinkLost(last.code, "the far end closed the link"))

    def _end(self, code: LinkCode) -> None:
        self._closed = True
        self.ended = code

    def _fail(self, error: PeerError) -> None:
        if not self._closed:
            self.give_up(LinkLost(error.code, error.reason))

    def _write(self, batch: list[bytes]) -> None:
        if not self._closed:
            self._tls.write(batch[0] if len(batch) == 1 else b"".join(batch))
            self._flush()

    def _flush(self) -> None:
        output = self._tls.output()
        while output and not self._closed:
            most = envelope.PAYLOAD_BYTES if self._enveloped_out else limits.LINK_MESSAGE_BYTES
            message, output = output[:most], output[most:]
            if self._enveloped_out:
                self._enveloped_out -= 1
                message = envelope.wrap(message, secrets.randbelow(self._padding_spread))
            self.bytes_sent += len(message)
            self._transport.send(message)
