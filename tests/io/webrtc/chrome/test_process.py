"""Links whose engine is in a process of its own, and what becomes of them when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from passerelle import limits
from passerelle.errors import EngineLost, LinkCode, LinkLost
from passerelle.io.webrtc.chrome import process
from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.io.webrtc.chrome.offer import ChromeOffer
from passerelle.io.webrtc.chrome.process import ProcessEngine, probe
from passerelle.io.webrtc.chrome.remote import RemoteTransport
from passerelle.wire.description import Setup
from tests.answerer import Answerer
from tests.chrome import needs_chrome
from tests.io.tunnel.test_websocket import Taker
from tests.rig.processes import runs

pytestmark = needs_chrome

SOON_S = 5.0


@pytest.fixture
async def engine() -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine()
    yield made
    await made.close()


class Connected:
    def __init__(self, transport: RemoteTransport, volunteer: Answerer) -> None:
        self.transport = transport
        self.volunteer = volunteer
        self.taker = Taker()
        transport.start(self.taker)


async def connect(engine: ProcessEngine, *, media: bool) -> Connected:
    offer = await engine.gather(private=True, media=media)
    volunteer = Answerer()
    answer = await volunteer.answer(offer.description, media=media)
    transport = await offer.connect(answer, timeout_s=10)
    async with asyncio.timeout(10):
        await volunteer.opened.wait()
    assert [name for name, _ in offer.steps] == ["webrtc"]
    return Connected(transport, volunteer)


async def test_a_prepared_engine_makes_its_first_offer_at_once(engine: ProcessEngine) -> None:
    """The process that was started beforehand makes it, and has loaded what it needs."""
    await engine.prepare()
    pid = engine.pid
    assert pid is not None
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    offer = await engine.gather(private=True)
    took_s = loop.time() - begun_s
    assert engine.pid == pid
    await offer.close()
    fresh = ProcessEngine()
    begun_s = loop.time()
    offer = await fresh.gather(private=True)
    assert took_s < (loop.time() - begun_s) / 4
    await offer.close()
    await fresh.close()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not reached():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.02)


async def test_messages_pass_both_ways(engine: ProcessEngine) -> None:
    """The largest link message is carried whole; text is the relay's own."""
    made = await connect(engine, media=False)
    for size in (1, 1200, limits.LINK_MESSAGE_BYTES):
        made.transport.send(bytes(size))
        assert await made.volunteer.messages.get() == bytes(size)
        made.volunteer.channel.send(bytes(size))
        assert await made.taker.messages.get() == bytes(size)
    made.transport.send_control("{}")
    assert await made.volunteer.messages.get() == "{}"
    made.volunteer.channel.send("[]")
    assert await made.taker.messages.get() == "[]"
    assert made.transport.windows(0.1) is None


async def test_windows_and_video_pass(engine: ProcessEngine) -> None:
    made = await connect(engine, media=True)
    first = made.transport.windows(2.0)
    assert first is not None
    made.transport.send(b"x" * 10)
    assert await made.volunteer.messages.get() == bytes(4) + b"x" * 10
    made.volunteer.channel.send(bytes(4) + b"down")
    assert await made.taker.messages.get() == b"down"
    # On so long a path more bytes may be under way than on the one that is assumed at first.
    await until(
        lambda: (told := made.transport.windows(2.0)) is not None and told.send > first.send
    )


async def test_close_sends_what_is_queued(engine: ProcessEngine) -> None:
    made = await connect(engine, media=False)
    made.transport.send(b"goodbye")
    made.transport.close(LinkCode.NORMAL)
    assert await made.volunteer.messages.get() == b"goodbye"
    await made.transport.wait_closed()
    assert made.taker.lost == []


async def test_the_volunteers_end_is_told(engine: ProcessEngine) -> None:
    made = await connect(engine, media=False)
    made.volunteer.connection.close()
    async with asyncio.timeout(SOON_S):
        await made.transport.wait_closed()
    (error,) = made.taker.lost
    assert error.code is LinkCode.TRANSPORT
    made.transport.send(b"nobody hears")


async def test_a_bad_answer_ends_the_offer_alone(engine: ProcessEngine) -> None:
    made = await connect(engine, media=False)
    offer = await engine.gather(private=True)
    answer = await Answerer().answer(offer.description, media=False)
    with pytest.raises(LinkLost) as lost:
        await offer.connect(msgspec.structs.replace(answer, setup=Setup.ACTPASS), timeout_s=3)
    assert lost.value.code is LinkCode.TRANSPORT
    made.transport.send(b"still here")
    assert await made.volunteer.messages.get() == b"still here"


async def test_a_killed_process_ends_its_links_and_a_new_one_makes_others(
    engine: ProcessEngine, caplog: pytest.LogCaptureFixture
) -> None:
    made = await connect(engine, media=True)
    waiting = await engine.gather(private=True)
    first = engine.pid
    assert first is not None
    with caplog.at_level(logging.WARNING):
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(SOON_S):
            await made.transport.wait_closed()
        (error,) = made.taker.lost
        assert isinstance(error, EngineLost)
        with pytest.raises(EngineLost):
            await waiting.connect(waiting.description, timeout_s=3)
        again = await connect(engine, media=True)
    again.transport.send(b"hello")
    assert await again.volunteer.messages.get() == bytes(4) + b"hello"
    assert engine.pid not in (None, first)
    assert "was ended by signal 9" in caplog.text


async def test_a_process_that_dies_at_once_is_tried_again_after_growing_pauses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first three die; the reader's request waits meanwhile, and has its offer then."""
    count = tmp_path / "count"
    code = (
        "import pathlib, runpy, sys\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "tries = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('x' * (tries + 1))\n"
        "sys.exit(7) if tries < 3 else None\n"
        "sys.argv = ['child']\n"
        "runpy.run_module('passerelle.io.webrtc.chrome.child', run_name='__main__')\n"
    )
    engine = ProcessEngine(command=(sys.executable, "-c", code))
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(20):
            offer = await engine.gather(private=True)
    assert offer.description.candidates
    assert caplog.text.count("ended with status 7") == 3
    await engine.close()


async def test_a_process_that_dies_before_its_first_order_is_started_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it may be gone before the client looks."""
    start = asyncio.create_subprocess_exec

    async def started_and_gone(*command: str, **options: Any) -> asyncio.subprocess.Process:
        made = await start(*command, **options)
        await made.wait()
        return made

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started_and_gone)
    monkeypatch.setattr(process, "RESTART_PAUSES_S", (0.01, 0.01))
    engine = ProcessEngine(command=(sys.executable, "-c", "raise SystemExit(7)"))
    with caplog.at_level(logging.WARNING):
        waiting = asyncio.ensure_future(engine.gather(private=True))
        await until(lambda: caplog.text.count("ended with status 7") >= 3 or waiting.done())
        assert not waiting.done()
        waiting.cancel()
        offer = await ChromeOffer.gather(private=True)
        with pytest.raises(EngineLost):
            await engine.accept(offer.description, private=True)
    await offer.close()
    await engine.close()


async def test_a_ctrl_c_reaches_no_process_that_has_just_been_started() -> None:
    """The terminal tells both, and the client ends first. Its own signals are held no longer."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    engine = ProcessEngine(command=(sys.executable, "-c", "import time; time.sleep(60)"))
    waiting = asyncio.ensure_future(engine.gather())
    await until(lambda: engine.pid is not None)
    assert engine.pid is not None
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(engine.pid, each)
    await asyncio.sleep(0.3)
    assert runs(engine.pid)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    waiting.cancel()
    await engine.close()


async def test_giving_up_leaves_no_process(tmp_path: Path) -> None:
    """A program that says nothing is no engine; whoever waits for its offer may stop waiting."""
    engine = ProcessEngine(command=(sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await engine.gather()
    pid = engine.pid
    assert pid is not None
    assert runs(pid)
    await engine.close()
    assert not runs(pid)


async def test_nonsense_from_the_process_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has taken the process over cannot make the client believe or hold what he likes."""
    code = "import os, time; os.write(0, {!r}); time.sleep(60)"
    too_long = (limits.LINK_MESSAGE_BYTES + 100).to_bytes(4, "big") + (1).to_bytes(4, "big")
    nonsense = (2).to_bytes(4, "big") + bytes(4) + b"\x01\x02"
    for said in (too_long, nonsense):
        caplog.clear()
        engine = ProcessEngine(command=(sys.executable, "-c", code.format(said)))
        with pytest.raises(TimeoutError), caplog.at_level(logging.WARNING):
            async with asyncio.timeout(3.0):
                await engine.gather()
        assert "was ended by signal 9" in caplog.text
        await engine.close()


async def test_the_process_ends_with_its_client() -> None:
    """Also if the client is killed, and says nothing to anybody."""
    code = (
        "import asyncio\n"
        "from passerelle.io.webrtc.chrome.process import ProcessEngine\n"
        "async def main():\n"
        "    engine = ProcessEngine()\n"
        "    await engine.gather(private=True, media=True)\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    pid = int(await client.stdout.readline())
    assert runs(pid)
    client.kill()
    await client.wait()
    await until(lambda: not runs(pid))


async def test_the_process_is_confined(
    engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot gain rights or write files, and does not know the client's secrets."""
    monkeypatch.setenv("PASSERELLE_TOKEN", "secret")
    await engine.gather(private=True)
    folder = Path(f"/proc/{engine.pid}")
    status = (folder / "status").read_text(encoding="ascii")
    assert "NoNewPrivs:\t1" in status
    bounds = (folder / "limits").read_text(encoding="ascii")
    for name in ("Max file size", "Max core file size"):
        (line,) = (line for line in bounds.splitlines() if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == ["0", "0"]
    assert b"PASSERELLE_" not in (folder / "environ").read_bytes()


def test_an_engine_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    """The reason is the loader's own. A crash while loading is one, too."""
    probe()
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with pytest.raises(NoEngine, match="was ended by signal 11"):
        probe((sys.executable, "-c", crash))
    with pytest.raises(NoEngine, match="cannot be run"):
        probe((str(tmp_path / "nothing"),))
