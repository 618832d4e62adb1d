"""Who may send to a link's sockets, and what he draws from them, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import msgspec
import pytest

from passerelle import limits
from passerelle.core.address import candidates
from passerelle.errors import LinkCode
from passerelle.io.webrtc.channel import ChannelOffer
from passerelle.io.webrtc.ortc import stun
from passerelle.wire.description import Candidate, CandidateKind
from tests.volunteer import Channel

CHECK, ANSWER, ERROR = b"\x00\x01", b"\x01\x01", b"\x01\x11"


class Port:
    """A UDP socket on this machine, and the client it speaks to."""

    def __init__(self, client: Candidate, address: str | None = None) -> None:
        self._client = client.ip, client.port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((address or client.ip, 0))
        self.port: int = self.socket.getsockname()[1]

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self._client)

    def __del__(self) -> None:
        self.socket.close()

    def received(self) -> list[bytes]:
        """Return what has come so far."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(2000))
        return found

    async def until(self, kind: bytes) -> bytes:
        """Return the next datagram of a type, which comes."""
        async with asyncio.timeout(5):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self.socket, 2000)
                if data[:2] == kind:
                    return data


class Scene:
    """A client that looks for a volunteer who has one named address."""

    def __init__(self, offer: ChannelOffer, channel: Channel) -> None:
        self.offer = offer
        self.description = offer.description
        self.client = next(c for c in self.description.candidates if ":" not in c.ip)
        self.named = self.open(None)
        named = Candidate(CandidateKind.HOST, self.client.ip, self.named.port)
        self.answer = channel.description.with_candidates([named])

    def open(self, address: str | None = "127.0.0.2") -> Port:
        return Port(self.client, address)

    def check(self, *, key: str | None = None, without: str = "") -> bytes:
        """Return a check as the volunteer would send it."""
        message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self.description.ufrag}:{self.answer.ufrag}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLED"] = 1
        message.attributes.pop(without, None)
        message.add_message_integrity((key or self.description.pwd).encode())
        return bytes(message)

    async def settle(self) -> None:
        """Return once the client has handled all that was sent to it so far."""
        self.named.received()
        self.named.send(self.check())
        await self.named.until(ANSWER)

    def answer_to(self, question: bytes) -> bytes:
        asked = stun.parse_message(question)
        message = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=asked.transaction_id,
        )
        message.attributes["XOR-MAPPED-ADDRESS"] = (self.client.ip, self.client.port)
        message.add_message_integrity(self.answer.pwd.encode())
        return bytes(message)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    made = Scene(offer, channel)
    connecting = asyncio.ensure_future(offer.connect(made.answer, timeout_s=30))
    await made.named.until(CHECK)
    yield made
    connecting.cancel()
    await asyncio.wait((connecting,))
    await channel.close()


async def test_an_address_never_named_gets_no_more_than_was_sent_in_its_name(scene: Scene) -> None:
    """One question for a check, no larger, and no more than a few questions for many checks."""
    victim = scene.open()
    check = scene.check()
    victim.send(check)
    await scene.settle()
    (question,) = victim.received()
    assert question[:2] == CHECK
    assert len(question) <= len(check)
    for _ in range(20):
        victim.send(check)
    await scene.settle()
    assert len(victim.received()) <= limits.STRANGER_QUESTIONS


@pytest.mark.parametrize("kind", ["unsigned", "other key", "other name", "error"])
async def test_a_stranger_who_cannot_sign_gets_nothing(scene: Scene, kind: str) -> None:
    """Not even an error, which would be larger than the question."""
    stranger = scene.open()
    good = scene.check()
    stranger.send(
        {
            "unsigned": struct.pack("!HHI12s", 1, 0, 0x2112A442, bytes(12)),
            "other key": scene.check(key="x" * 22),
            "other name": good.replace(scene.description.ufrag.encode(), b"zzzz"),
            "error": ERROR + good[2:],
        }[kind]
    )
    await scene.settle()
    assert stranger.received() == []


async def test_no_system_port_is_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for ports holds for addresses that nobody named, too."""
    victim = scene.open()
    monkeypatch.setattr(candidates, "FIRST_PORT", victim.port + 1)
    victim.send(scene.check())
    await scene.settle()
    assert victim.received() == []


async def test_no_private_address_is_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside laboratories, a check from the reader's own network is no reason to send there."""
    monkeypatch.setattr(scene.offer._guard, "_private", False)
    victim = scene.open()
    victim.send(scene.check())
    await scene.settle()
    assert victim.received() == []


async def test_only_who_answers_the_question_becomes_a_candidate(scene: Scene) -> None:
    """An answer from elsewhere, or signed by somebody else, proves nothing."""
    victim, other = scene.open(), scene.open()
    victim.send(scene.check())
    await scene.settle()
    (question,) = victim.received()
    proof = scene.answer_to(question)
    other.send(proof)
    victim.send(proof[:-30] + bytes(30))
    await scene.settle()
    assert victim.received() == other.received() == []
    assert len(scene.offer._ice.getRemoteCandidates()) == 1
    victim.send(proof)
    await victim.until(ANSWER)
    nominating = stun.parse_message(await victim.until(CHECK))
    assert "USE-CANDIDATE" in nominating.attributes
    assert len(scene.offer._ice.getRemoteCandidates()) == 2


async def test_strangers_are_counted(scene: Scene) -> None:
    """Before the path is found as after: what is kept for addresses has an end."""
    ports = [scene.open() for _ in range(limits.LINK_ADDRESSES + 20)]
    for port in ports:
        port.send(scene.check())
    await scene.settle()
    asked = [port for port in ports if port.received()]
    assert len(asked) <= limits.LINK_ADDRESSES


async def test_a_volunteer_that_names_nothing_is_found() -> None:
    """A browser that hides its addresses, and has no STUN server, is found by its checks."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    answer = channel.description.with_candidates(())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(answer, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    transport = connecting.result()
    transport.close(LinkCode.NORMAL)
    await transport.wait_closed()
    await channel.close()


async def test_a_volunteer_whose_ports_are_others_than_it_named_is_found() -> None:
    """So does a symmetric NAT: each way out has a port that no STUN server saw."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    promised = channel.description
    wrong = [msgspec.structs.replace(c, port=c.port ^ 1) for c in promised.candidates]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(promised.with_candidates(wrong), timeout_s=10))
        group.create_task(channel.connect(offer.description))
    transport = connecting.result()
    transport.close(LinkCode.NORMAL)
    await transport.wait_closed()
    await channel.close()


async def test_a_check_that_comes_before_the_answer_is_not_lost() -> None:
    """It is kept, unanswered, until it is known who may check."""
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    scene = Scene(offer, channel)
    scene.named.send(scene.check())
    connecting = asyncio.ensure_future(offer.connect(scene.answer, timeout_s=30))
    await scene.named.until(ANSWER)
    connecting.cancel()
    await asyncio.wait((connecting,))
    await channel.close()


class Linked:
    """A client and a volunteer with an open channel."""

    def __init__(self, offer: ChannelOffer, channel: Channel) -> None:
        self.offer = offer
        self.connection = channel.ice._connection
        (self._pair,) = self.connection._nominated.values()
        ip, port = self._pair.remote_addr
        self.scene = Scene(offer, channel)
        self.scene.client = Candidate(CandidateKind.HOST, ip, port)

    async def settle(self) -> None:
        """Return once the client has handled all that was sent to it so far."""
        check = self.connection.build_request(self._pair, nominate=False)
        key = self.offer.description.pwd.encode()
        await self._pair.protocol.request(check, self._pair.remote_addr, integrity_key=key)


@pytest.fixture
async def linked() -> AsyncIterator[Linked]:
    offer, channel = await asyncio.gather(ChannelOffer.gather(private=True), Channel.gather())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        connecting = group.create_task(offer.connect(channel.description, timeout_s=10))
        group.create_task(channel.connect(offer.description))
    transport = connecting.result()
    yield Linked(offer, channel)
    transport.close(LinkCode.NORMAL)
    await transport.wait_closed()
    await channel.close()


async def test_checks_from_ever_new_ports_leave_nothing(linked: Linked) -> None:
    """Not even when they are signed, and come after the path was found."""
    connection = linked.offer._gatherer._connection
    pairs, tasks = len(connection._check_list), len(asyncio.all_tasks())
    for _ in range(200):
        linked.scene.open().send(linked.scene.check())
    await linked.settle()
    assert len(connection._check_list) == pairs
    assert len(asyncio.all_tasks()) == tasks


async def test_only_the_volunteer_sends_data(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets of DTLS and SRTP from other addresses are not even decrypted."""
    taken: list[bytes] = []
    connection = linked.offer._gatherer._connection
    monkeypatch.setattr(connection, "data_received", lambda data, _: taken.append(data))
    stranger = linked.scene.open()
    stranger.send(b"\x17" + bytes(50))
    stranger.send(b"\x80" + bytes(50))
    await linked.settle()
    assert taken == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x17" + bytes(2000),
        # A PRIORITY of three bytes, which aioice cannot unpack.
        struct.pack("!HHI12sHH4s", 1, 8, 0x2112A442, bytes(12), 0x24, 3, bytes(4)),
        # A check without PRIORITY, which aioice looks for in vain.
        "unprioritized",
    ],
)
async def test_an_odd_datagram_changes_nothing(
    linked: Linked, data: bytes | str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged of it, whoever sent it, and the link lives."""
    if isinstance(data, str):
        data = linked.scene.check(without="PRIORITY")
    linked.scene.open().send(data)
    protocol, client = linked._pair.protocol, linked._pair.remote_addr
    protocol.transport.sendto(data, client)
    await linked.settle()
    assert linked.offer._dtls.state == "connected"
    assert caplog.records == []
