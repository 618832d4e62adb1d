"""A volunteer's end of a link in Chrome's engine, from a client's offer to an open transport.

It does what a page with the switch does with its browser: the client's description becomes SDP by
our own template, the engine answers as the DTLS client, and its answer is read into a description.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

import msgspec

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.tunnel.transport import Receiver
from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.offer import ChromeOffer, ChromeTransport
from passerelle.io.webrtc.pathtransport import handshake_limit_s
from passerelle.wire.description import CHROME_MEDIA_VERSION, Description, Setup
from passerelle.wire.sdp import to_sdp


class ChromeAnswer(ChromeOffer):
    """A volunteer's half of a connection. Make it with `make`, then wait for `opened`."""

    def __init__(
        self,
        stun: tuple[str, ...],
        receiver: Receiver,
        silence: Callable[[bool], None],
        *,
        private: bool,
    ) -> None:
        super().__init__(stun, private=private, media=False)
        self._receiver = receiver
        self._silence = silence
        self._is_silent = False
        self._channel.on("open", lambda _event: self._begin())

    @classmethod
    async def make(
        cls,
        offer: Description,
        receiver: Receiver,
        silence: Callable[[bool], None],
        stun: tuple[str, ...] = (),
        *,
        private: bool,
    ) -> Self:
        """Return an answer to `offer`, which is vetted, with this machine's candidates.

        `receiver` takes what the client sends, also before `opened` has returned: the client speaks
        first, and what nobody takes is gone. `silence` is called with whether the client has fallen
        silent, whenever that changes: the engine notices after 5 to 8 seconds.

        It has video where the offer has one of `version`; any other link is a plain one. Gathering
        takes up to two seconds where a STUN server is silent. Raises LinkLost(TRANSPORT) where the
        engine wants nothing of the offer. Cancelling closes the sockets.
        """
        answer = cls(stun, receiver, silence, private=private)
        try:
            await answer._answer(offer)
        except BaseException:
            await answer.close()
            raise
        return answer

    async def _answer(self, offer: Description) -> None:
        webrtc = load()
        connection = self._connection
        has_media = offer.media == CHROME_MEDIA_VERSION
        if not has_media:
            offer = msgspec.structs.replace(offer, media=msgspec.UNSET)
        try:
            await connection.set_remote_description(
                webrtc.RTCSessionDescriptionInit(type="offer", sdp=to_sdp(offer))
            )
            if has_media:
                transceiver = connection.get_transceivers()[0]
                self._media = self.exchange(connection, transceiver)
                await self._media.join()
            made = await connection.create_answer()
            await self._describe("answer", made.sdp)
        except webrtc.RTCException as error:
            raise LinkLost(LinkCode.TRANSPORT, "the engine refused the offer") from error
        if self.description.setup is not Setup.ACTIVE:
            raise LinkLost(LinkCode.INTERNAL, "the engine answers in the wrong DTLS role")

    def _watch(self) -> None:
        super()._watch()
        is_silent = self._connection.connection_state == "disconnected"
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            self._silence(is_silent)

    def _begin(self) -> None:
        self._transport = ChromeTransport(self, self._channel, self._media)
        self._transport.start(self._receiver)

    async def opened(self, *, timeout_s: float) -> ChromeTransport:
        """Return the transport, which has started, once the client has come.

        Raises LinkLost(TIMEOUT or TRANSPORT). On any failure, and on cancelling, all is closed.
        """
        start = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await self._reached.wait()
                async with asyncio.timeout(handshake_limit_s(time.monotonic() - start)):
                    await self._settled.wait()
            if self._has_failed or self._transport is None:
                raise LinkLost(LinkCode.TRANSPORT, "no connection to the client")
        except TimeoutError:
            await self.close()
            raise LinkLost(LinkCode.TIMEOUT, "no path to the client") from None
        except BaseException:
            await self.close()
            raise
        self.steps.append(("webrtc", time.monotonic() - start))
        return self._transport
