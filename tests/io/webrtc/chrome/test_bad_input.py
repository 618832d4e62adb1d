"""What a hostile volunteer may say to Chrome's engine, and browsers that die: nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from passerelle import limits
from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from tests.answerer import Answerer
from tests.chrome import needs_chrome
from tests.io.tunnel.test_websocket import Taker
from tests.io.webrtc.chrome.test_process import connect

pytestmark = needs_chrome

GROWN_BYTES = 8_000_000
"""What the engine's allocator may keep. An offer that stays takes about 1 MB."""
SETTLE_S = 10.0
SILENT_S = 8.0
"""Twice the time after which a silent volunteer is given up, because the machine may be busy."""
KILLED = 2
FOREIGN = (
    *("0.0.0.0", "255.255.255.255", "224.0.0.251", "240.0.0.1", "169.254.169.254", "192.0.2.1"),
    *("::", "::1", "ff02::fb", "fe80::1", "2002:7f00:1::1", "64:ff9b::7f00:1", "2001:db8::1"),
)
"""Addresses that no peer may have, some of them a machine's own in another family."""
TEXTS = {
    "ufrag": ("A" * 4, "+/+/", "A" * 64),
    "pwd": ("A" * 22, "/" * 64),
    "fingerprint": (bytes(32), b"\xff" * 32),
    "setup": (Setup.ACTPASS, Setup.PASSIVE),
    "media": (1, 3, 4, 255),
    "lacks": ((1, 2, 3), (1,) * limits.EXTENSIONS, tuple(range(1, 15))[: limits.EXTENSIONS]),
}
VOLUNTEER = """
import asyncio, sys, msgspec
from passerelle.wire.description import Description
from tests.answerer import Answerer

async def main():
    offer = msgspec.json.decode(sys.stdin.readline(), type=Description)
    volunteer = Answerer()
    answer = await volunteer.answer(offer, media=True)
    print(msgspec.json.encode(answer).decode(), flush=True)
    await volunteer.messages.get()
    volunteer.channel.send(bytes(4) + b"hello")
    await asyncio.sleep(60)

asyncio.run(main())
"""
RAW = """
import asyncio, sys, webrtc
from passerelle.wire.sdp import to_sdp
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from tests.answerer import Answerer

HUGE = "a" * 100_000
BAD = [
    "1 1 udp 1 0.0.0.0 0 typ host",
    "1 1 udp 1 name.local 5000 typ host",
    "1 1 udp 1 ::1%lo 9 typ host",
    "1 1 udp 1 999.1.1.1 5000 typ host",
    "1 1 udp 99999999999999999999 127.0.0.1 5000 typ host",
    "1 1 udp 1 127.0.0.1 65536 typ host",
    "1 1 udp 1 127.0.0.1 -1 typ host",
    "1 1 tcp 1 127.0.0.1 9 typ host",
    f"1 1 udp 1 {HUGE} 5000 typ host",
    f"1 1 udp 1 127.0.0.1 5000 typ host {HUGE}",
    "",
    "1",
    "\xff" * 50,
    "1 256 udp 1 127.0.0.1 5000 typ x",
    "1 1 udp 1 [::ffff:127.0.0.1] 5000 typ srflx raddr x rport y",
    *(f"{n} 1 udp {n} 127.0.0.1 {2000 + n} typ host" for n in range(1, 500)),
]

async def main():
    offer = await ChromeOffer.gather(private=True, media=True)
    answer = await Answerer().answer(offer.description, media=True)
    init = webrtc.RTCSessionDescriptionInit(type="answer", sdp=to_sdp(answer))
    await offer._connection.set_remote_description(init)
    taken = 0
    for text in BAD:
        try:
            candidate = webrtc.RTCIceCandidateInit(candidate="candidate:" + text, sdp_mid="0")
            await offer._connection.add_ice_candidate(candidate)
            taken += 1
        except (webrtc.RTCException, ValueError, TypeError):
            pass
    await offer.close()
    print(f"taken {taken}", flush=True)

asyncio.run(main())
"""


class Engine:
    """The process of an engine, and what it holds."""

    def __init__(self) -> None:
        self.engine = ProcessEngine()

    @property
    def folder(self) -> Path:
        return Path(f"/proc/{self.engine.pid}")

    def held(self) -> tuple[int, int]:
        """Return how many files are open, and how many threads run."""
        return len(list((self.folder / "fd").iterdir())), len(
            list((self.folder / "task").iterdir())
        )

    def memory_bytes(self) -> int:
        return 4096 * int((self.folder / "statm").read_text(encoding="ascii").split()[1])

    async def settle(self, held: tuple[int, int]) -> None:
        """Wait until no more is held than before."""
        async with asyncio.timeout(SETTLE_S):
            while not all(map(operator.le, self.held(), held)):  # noqa: ASYNC110  (no event)
                await asyncio.sleep(0.05)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine()
    # What the first link needs for all later ones is there when the test begins.
    (await connect(made.engine, media=True)).transport.close(LinkCode.NORMAL)
    yield made
    await made.engine.close()


@asynccontextmanager
async def unharmed(engine: Engine) -> AsyncIterator[None]:
    """Afterwards the process is the same, holds no more, and makes links."""
    offer = await engine.engine.gather(private=True, media=True)
    await offer.close()
    await asyncio.sleep(1)  # the threads of links that ended do, too
    pid, held, memory_bytes = engine.engine.pid, engine.held(), engine.memory_bytes()
    yield
    await engine.settle(held)
    assert engine.memory_bytes() - memory_bytes < GROWN_BYTES
    made = await connect(engine.engine, media=True)
    made.transport.send(b"hello")
    assert await made.volunteer.messages.get() == bytes(4) + b"hello"
    made.transport.close(LinkCode.NORMAL)
    await made.transport.wait_closed()
    made.volunteer.connection.close()
    assert engine.engine.pid == pid


def bad_candidates() -> Iterator[tuple[Candidate, ...]]:
    """Lists of candidates as no honest volunteer sends them."""
    host, reflexive = CandidateKind.HOST, CandidateKind.REFLEXIVE
    yield ()
    for address in FOREIGN:
        yield tuple(Candidate(kind, address, 5000) for kind in (host, reflexive))
    yield tuple(Candidate(host, "127.0.0.1", port) for port in (0, 1, 53, 1023, 65_535))
    yield tuple(Candidate(host, "127.0.0.1", port) for port in range(2_000, 2_500))
    yield tuple(Candidate(host, f"10.0.{n // 250}.{n % 250 + 1}", 5000) for n in range(500))


async def test_bad_candidates_beside_a_good_one_cost_nothing(engine: Engine) -> None:
    """The volunteer is reached, whatever else its answer names."""
    async with unharmed(engine):
        for candidates in bad_candidates():
            offer = await engine.engine.gather(private=True, media=True)
            volunteer = Answerer()
            answer = await volunteer.answer(offer.description, media=True)
            mixed = (*answer.candidates[:2], *candidates, *answer.candidates[2:])
            transport = await offer.connect(answer.with_candidates(mixed), timeout_s=10)
            transport.start(Taker())
            transport.close(LinkCode.NORMAL)
            await transport.wait_closed()
            volunteer.connection.close()


def bad_answers(answer: Description) -> Iterator[Description]:
    """Answers in which one field is not the volunteer's, or two."""
    for field, values in TEXTS.items():
        for value in values:
            yield msgspec.structs.replace(answer, **{field: value})
    yield msgspec.structs.replace(answer, ufrag="A" * 4, pwd="A" * 22)
    yield answer.with_candidates(())


async def test_bad_answers_end_their_offers_alone(engine: Engine) -> None:
    """Each is refused, or leads nowhere; the engine goes on, and holds nothing of it."""
    async with unharmed(engine):

        async def one(change: int) -> None:
            offer = await engine.engine.gather(private=True, media=True)
            volunteer = Answerer()
            answer = await volunteer.answer(offer.description, media=True)
            # Some are no worse than what an honest browser says, and are connected.
            with contextlib.suppress(LinkLost):
                transport = await offer.connect([*bad_answers(answer)][change], timeout_s=1)
                transport.close(LinkCode.NORMAL)
                await transport.wait_closed()
            volunteer.connection.close()

        offer = await engine.engine.gather(private=True)
        count = len([*bad_answers(offer.description)])
        await offer.close()
        for change in range(0, count, 3):
            await asyncio.gather(*(one(each) for each in range(change, min(count, change + 3))))


async def test_browsers_that_are_killed_leave_nothing(engine: Engine) -> None:
    """Some die before they are reached, some with an open link, which is given up in time."""
    async with unharmed(engine):

        async def one(*, opened: bool) -> None:
            offer = await engine.engine.gather(private=True, media=True)
            volunteer = await asyncio.create_subprocess_exec(
                sys.executable, "-c", VOLUNTEER, stdin=PIPE, stdout=PIPE
            )
            assert volunteer.stdin is not None
            assert volunteer.stdout is not None
            volunteer.stdin.write(msgspec.json.encode(offer.description) + b"\n")
            answer = msgspec.json.decode(await volunteer.stdout.readline(), type=Description)
            taker = Taker()
            try:
                if not opened:
                    volunteer.kill()
                transport = await offer.connect(answer, timeout_s=5 if opened else 1)
                transport.start(taker)
                transport.send(b"are you there?")
                assert await taker.messages.get() == b"hello"
                volunteer.kill()
                async with asyncio.timeout(SILENT_S):
                    await transport.wait_closed()
                assert taker.lost
            except LinkLost:
                assert not opened
            finally:
                if volunteer.returncode is None:
                    volunteer.kill()
                await volunteer.wait()

        await asyncio.gather(*(one(opened=True) for _ in range(KILLED)))
        await asyncio.gather(*(one(opened=False) for _ in range(KILLED)))


async def test_the_engine_bears_candidates_that_our_checks_keep_from_it() -> None:
    """Each is refused or leads nowhere: a check of ours that fails is no crash."""
    raw = await asyncio.create_subprocess_exec(sys.executable, "-c", RAW, stdout=PIPE)
    out, _ = await raw.communicate()
    assert raw.returncode == 0
    assert out.startswith(b"taken ")
