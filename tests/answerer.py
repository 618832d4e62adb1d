"""A volunteer with Chrome's engine, for tests without a browser. It loads nothing else."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec

from passerelle.io.webrtc.chrome.library import load
from passerelle.io.webrtc.chrome.media import MediaExchange
from passerelle.wire import sdp
from passerelle.wire.description import DATA_CHANNEL_ID, Description


class Answerer:
    """A volunteer with Chrome's engine, whose video nobody fills unless `exchange` does."""

    exchange: type[MediaExchange] | None = None

    def __init__(self) -> None:
        webrtc = load()
        self.connection: Any = webrtc.RTCPeerConnection(webrtc.RTCConfiguration())
        init = webrtc.RTCDataChannelInit(negotiated=True, id=DATA_CHANNEL_ID)
        self.channel: Any = self.connection.create_data_channel("", init)
        self.messages: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.channel.on("message", lambda event: self.messages.put_nowait(event.data))
        self.media: MediaExchange | None = None
        self.opened = asyncio.Event()
        self.channel.on("open", lambda _event: self.opened.set())

    async def answer(self, offer: Description, *, media: bool) -> Description:
        webrtc = load()
        if not media:
            offer = msgspec.structs.replace(offer, media=msgspec.UNSET)
        # An honest stack holds to the size that we say; this one may send more.
        text = re.sub(r"max-message-size:\d+", "max-message-size:262144", sdp.to_sdp(offer))
        init = webrtc.RTCSessionDescriptionInit(type="offer", sdp=text)
        await self.connection.set_remote_description(init)
        for transceiver in self.connection.get_transceivers():
            transceiver.direction = "sendrecv"
            if self.exchange is not None:
                self.media = self.exchange(self.connection, transceiver)
                await self.media.join()
        await self.connection.set_local_description(await self.connection.create_answer())
        gathered = asyncio.Event()

        def look(_event: object = None) -> None:
            if self.connection.ice_gathering_state == "complete":
                gathered.set()

        self.connection.on("icegatheringstatechange", look)
        look()
        async with asyncio.timeout(5):
            await gathered.wait()
        return sdp.from_own_sdp(self.connection.local_description.sdp)
