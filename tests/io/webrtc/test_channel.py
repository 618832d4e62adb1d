from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
from google_crc32c import value as crc32c

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc import pathtransport
from passerelle.io.webrtc.arrivals import RECEIVE_WINDOW_BYTES
from passerelle.io.webrtc.association import SctpAssociation
from passerelle.io.webrtc.channel import ChannelOffer, ChannelTransport
from passerelle.io.webrtc.ortc import DataChunk, InitChunk, RTCDtlsTransport
from passerelle.wire.description import Setup
from tests.io.tunnel.test_websocket import Taker
from tests.volunteer import Channel

SILENT_S = 4.0
"""An offer that waits no longer than it should is made by then, on a busy machine too."""
PPID_BINARY = 53
FIRST_FRAGMENT = 2


class Connected:
    """A client's transport, and the volunteer it leads to."""

    def __init__(self, transport: ChannelTransport, channel: Channel, offer: ChannelOffer) -> None:
        self.transport = transport
        self.channel = channel
        self.offer = offer
        self.taker = Taker()
        transport.start(self.taker)

    async def lost(self) -> LinkLost:
        async with asyncio.timeout(5):
            await self.transport.wait_closed()
        (error,) = self.taker.lost
        return error


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(channel.description, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    made = Connected(connecting.result(), channel, offer)
    yield made
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    await channel.close()


async def test_messages_pass_both_ways(connected: Connected) -> None:
    """The largest link message is carried whole; text is the relay's own."""
    for size in (1, 1200, limits.LINK_MESSAGE_BYTES):
        connected.transport.send(bytes(size))
        assert await connected.channel.messages.get() == bytes(size)
        connected.channel.channel.send(bytes(size))
        assert await connected.taker.messages.get() == bytes(size)
    connected.channel.channel.send("{}")
    assert await connected.taker.messages.get() == "{}"
    assert [name for name, _ in connected.offer.steps] == ["ice", "dtls", "sctp"]


async def test_the_browser_is_the_dtls_client(connected: Connected) -> None:
    """The ClientHello that a censor sees is the browser's."""
    assert connected.offer.description.setup is Setup.ACTPASS
    assert connected.offer._dtls._role == "server"
    assert connected.offer._ice.role == "controlling"


async def test_close_sends_what_is_queued(connected: Connected) -> None:
    """The last message before `close` still arrives, and the owner is not told of its own end."""
    connected.transport.send(b"goodbye")
    connected.transport.close(LinkCode.NORMAL)
    assert await connected.channel.messages.get() == b"goodbye"
    await connected.transport.wait_closed()
    assert connected.taker.lost == []


async def test_volunteers_end_is_told(connected: Connected) -> None:
    """A volunteer that goes ends the transport."""
    await connected.channel.close()
    assert (await connected.lost()).code is LinkCode.TRANSPORT
    connected.transport.send(b"nobody hears")


async def test_volunteers_dtls_end_is_told(connected: Connected) -> None:
    """Also when only DTLS says so: aiortc's DataChannel would stay open for ever."""
    await connected.channel.dtls.stop()
    assert (await connected.lost()).code is LinkCode.TRANSPORT


async def test_an_end_before_the_start_is_told_at_the_start() -> None:
    """A path that breaks before anybody listens does not leave a link waiting."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(channel.description, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    transport = connecting.result()
    ended = asyncio.Event()
    offer._dtls.on("statechange", ended.set)
    await channel.dtls.stop()
    async with asyncio.timeout(5):
        await ended.wait()
    made = Connected(transport, channel, offer)
    assert made.taker.lost == []
    assert (await made.lost()).code is LinkCode.TRANSPORT
    await channel.close()


async def send_chunk(channel: Channel, **fields: int | bytes) -> None:
    sctp = channel.sctp
    chunk = DataChunk()
    chunk.tsn = sctp._local_tsn
    sctp._local_tsn += 1
    chunk.protocol = PPID_BINARY
    for name, value in fields.items():
        setattr(chunk, name, value)
    with contextlib.suppress(ConnectionError):  # the client has hung up
        await sctp._send_chunk(chunk)


async def test_fragments_without_end_are_bounded(connected: Connected) -> None:
    """A message that never ends is given up once it is longer than a link message."""
    sctp = connected.offer._sctp
    held: list[int] = []
    for index in range(40):
        await send_chunk(
            connected.channel, flags=FIRST_FRAGMENT if index == 0 else 0, user_data=bytes(1000)
        )
        await asyncio.sleep(0)
        held.append(RECEIVE_WINDOW_BYTES - sctp._advertised_rwnd)
    assert (await connected.lost()).code is LinkCode.LIMIT
    assert 0 < max(held) <= limits.LINK_MESSAGE_BYTES


async def test_chunks_behind_a_gap_are_bounded(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that wait for a missing one are counted, however small they are."""
    monkeypatch.setattr(limits, "CHANNEL_CHUNKS", 32)
    connected.channel.sctp._local_tsn += 1  # one that will never come
    for _ in range(64):
        await send_chunk(connected.channel, flags=FIRST_FRAGMENT, user_data=b"x")
    assert (await connected.lost()).code is LinkCode.LIMIT


async def test_tiny_chunks_behind_a_gap_cost_little(connected: Connected) -> None:
    """As many as may wait, each the beginning of a message, take a second at most."""
    connected.channel.sctp._local_tsn += 1  # one that will never come
    sctp = connected.offer._sctp
    packets = []
    for _ in range(limits.CHANNEL_CHUNKS // 50):
        made = [
            DataChunk(FIRST_FRAGMENT, struct.pack("!LHHL", 0, 0, 0, PPID_BINARY) + b"x")
            for _ in range(50)
        ]
        for chunk in made:
            chunk.tsn = connected.channel.sctp._local_tsn
            connected.channel.sctp._local_tsn += 1
        packets.append(packet(sctp, b"".join(bytes(chunk) for chunk in made)))
    start_s = time.process_time()
    for data in packets:
        await sctp._handle_data(data)
    assert time.process_time() - start_s < 1.0
    assert connected.taker.lost == []


def packet(sctp: SctpAssociation, chunks: bytes) -> bytes:
    """Return a packet as the volunteer would send it."""
    head = struct.pack("!HHL", 5000, 5000, sctp._local_verification_tag)
    checksum = crc32c(head + bytes(4) + chunks)
    return head + struct.pack("<L", checksum) + chunks


async def test_a_parameter_without_length_ends_the_transport(connected: Connected) -> None:
    """aiortc would look for the next one for ever."""
    heartbeat = struct.pack("!BBHHH", 4, 0, 8, 1, 0)
    await connected.channel.dtls._send_data(packet(connected.offer._sctp, heartbeat))
    assert (await connected.lost()).code is LinkCode.MALFORMED


async def test_unordered_messages_end_the_transport(connected: Connected) -> None:
    """The channel is ordered and reliable, and a browser does not depart from that by itself."""
    await send_chunk(connected.channel, flags=7, user_data=b"hello")
    assert (await connected.lost()).code is LinkCode.UNEXPECTED


async def test_a_message_given_up_ends_the_transport(connected: Connected) -> None:
    """On a reliable channel nothing is."""
    given_up = struct.pack("!BBHL", 192, 0, 8, connected.channel.sctp._local_tsn)
    await connected.channel.dtls._send_data(packet(connected.offer._sctp, given_up))
    assert (await connected.lost()).code is LinkCode.UNEXPECTED


async def test_a_second_beginning_changes_nothing(connected: Connected) -> None:
    """An INIT once data has come would give what is held other numbers."""
    connected.channel.channel.send(b"first")
    assert await connected.taker.messages.get() == b"first"
    sctp = connected.offer._sctp
    init = InitChunk()
    init.initiate_tag, init.initial_tsn = 7, 7
    init.outbound_streams = init.inbound_streams = 1
    head = struct.pack("!HHL", 5000, 5000, 0)
    checksum = crc32c(head + bytes(4) + bytes(init))
    data = head + struct.pack("<L", checksum) + bytes(init)
    await connected.channel.dtls._send_data(data)
    connected.channel.channel.send(b"second")
    assert await connected.taker.messages.get() == b"second"
    assert sctp._remote_verification_tag != 7


async def test_a_flood_of_heartbeats_ends_the_transport(connected: Connected) -> None:
    """Each of them is answered, and a browser sends few."""
    await flood(connected, struct.pack("!BBHHH", 4, 0, 8, 1, 4))
    assert (await connected.lost()).code is LinkCode.LIMIT


async def test_a_volunteer_that_makes_too_much_work_is_sent_away(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets that carry nothing for the reader are work; a flood of them ends its link."""
    for name in ("LINK_WORK_S", "LINK_WORK_BUSY_SHARE", "LINK_WORK_IDLE_SHARE"):
        monkeypatch.setattr(limits, name, 0.001)
    acknowledged = connected.channel.sctp._last_received_tsn
    await flood(connected, struct.pack("!BBHLLHH", 3, 0, 16, acknowledged, 1 << 20, 0, 0))
    assert (await connected.lost()).code is LinkCode.LIMIT


async def flood(connected: Connected, chunk: bytes) -> None:
    """Send a chunk again and again, each time in a packet of its own."""
    for _ in range(500):
        with contextlib.suppress(ConnectionError):  # the client has hung up
            await connected.channel.dtls._send_data(packet(connected.offer._sctp, chunk))
        await asyncio.sleep(0)


async def test_other_streams_end_the_transport(connected: Connected) -> None:
    """A link has one channel; others would only be memory to fill."""
    await send_chunk(connected.channel, flags=3, stream_id=7, user_data=b"hello")
    assert (await connected.lost()).code is LinkCode.UNEXPECTED


async def test_too_long_message_ends_the_transport(connected: Connected) -> None:
    """What no link carries is not handed up."""
    connected.channel.sctp._remote_max_message_size = 0
    connected.channel.channel.send(bytes(limits.LINK_MESSAGE_BYTES + 1))
    assert (await connected.lost()).code is LinkCode.LIMIT
    assert connected.taker.messages.empty()


async def test_broken_text_ends_the_transport(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no UTF-8 raise inside aiortc; nothing escapes, and no payload is logged."""
    await send_chunk(connected.channel, flags=3, protocol=51, user_data=b"\xff\xfe secret")
    assert (await connected.lost()).code is LinkCode.MALFORMED
    assert "secret" not in caplog.text


async def test_queue_that_is_not_taken_ends_the_transport(connected: Connected) -> None:
    """A volunteer that acknowledges nothing holds a bounded queue."""
    message = bytes(limits.LINK_MESSAGE_BYTES)
    for _ in range(limits.TRANSPORT_QUEUE_BYTES // len(message) + 2):
        connected.transport.send(message)
    assert (await connected.lost()).code is LinkCode.LIMIT


async def test_volunteer_that_never_comes_times_out() -> None:
    """No path within the time is LinkLost(TIMEOUT), and nothing stays open."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    with pytest.raises(LinkLost) as caught:
        await offer.connect(channel.description, timeout_s=0.05)
    assert caught.value.code is LinkCode.TIMEOUT
    assert offer._ice.state == "closed"
    await channel.close()


async def test_a_volunteer_that_says_nothing_after_ice_costs_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its page has closed its side, or died: the limit for a whole link is not waited for."""
    monkeypatch.setattr(pathtransport, "HANDSHAKE_LEAST_S", 0.2)
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10):
        reaching = asyncio.ensure_future(channel.reach(offer.description))
        with pytest.raises(LinkLost, match="dtls") as caught:
            await offer.connect(channel.description, timeout_s=60)
        await reaching
    assert caught.value.code is LinkCode.TIMEOUT
    assert offer._ice.state == "closed"
    await channel.close()


async def test_certificate_of_somebody_else_is_refused() -> None:
    """The DTLS certificate must be the one in the answer."""
    offer, channel, other = await asyncio.gather(
        ChannelOffer.gather(private=True), Channel.gather(), Channel.gather()
    )
    promised = channel.description
    channel.dtls = RTCDtlsTransport(channel.ice, [other.certificate])
    channel.dtls._set_role("client")
    channel.sctp.setTransport(channel.dtls)
    connecting = asyncio.ensure_future(offer.connect(promised, timeout_s=5))
    serving = asyncio.ensure_future(channel.connect(offer.description))
    with pytest.raises(LinkLost) as caught:
        await connecting
    assert caught.value.code is LinkCode.TRANSPORT
    serving.cancel()
    await asyncio.wait((serving,))
    await channel.close()
    await other.close()


@pytest.mark.parametrize("turns", range(6))
async def test_cancelled_gathering_leaves_no_socket(turns: int) -> None:
    """At whatever moment it is cancelled; a socket left open would warn when collected."""
    gathering = asyncio.ensure_future(ChannelOffer.gather(private=True))
    for _ in range(turns):
        await asyncio.sleep(0)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    gc.collect()


@pytest.mark.parametrize("turns", range(1, 5))
async def test_cancelled_close_leaves_no_socket(turns: int) -> None:
    """A client that ends while offers are being closed cancels that."""
    offer = await ChannelOffer.gather(private=True)
    transports = [each.transport for each in offer._gatherer._connection._protocols]
    closing = asyncio.ensure_future(offer.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait((closing,))
    assert all(each.is_closing() for each in transports)


async def test_cancelled_connect_closes_everything() -> None:
    """Cancelling in the midst of ICE leaves no socket."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    connecting = asyncio.ensure_future(offer.connect(channel.description, timeout_s=10))
    await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert offer._ice.state == "closed"
    await offer.close()
    await channel.close()


async def test_a_silent_stun_server_costs_little_time() -> None:
    """Where its port is blocked, each offer waits for it, and has this machine's addresses then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"stun:127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(SILENT_S):
            offer = await ChannelOffer.gather((url,), private=True)
    assert offer.description.candidates
    await offer.close()


@pytest.mark.parametrize(
    "url",
    ["stun:[2001:db8::1]:3478", "stun:[::1]", "stun:host:0", "stun:?transport=tcp", "stun:a b:1"],
)
async def test_a_stun_server_that_cannot_be_asked_is_left_out(url: str) -> None:
    """An IPv6 literal, or what is no address at all, costs an offer nothing but that server."""
    async with asyncio.timeout(5):
        offer = await ChannelOffer.gather((url,), private=True)
    assert offer.description.candidates
    await offer.close()
