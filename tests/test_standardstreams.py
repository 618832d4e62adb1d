from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path
from typing import IO

import pytest

from passerelle.standardstreams import LossyText
from tests.rig.ports import free_port

PASSERELLE = (sys.executable, "-m", "passerelle")
OTHER_KEY = "A" * 43


class Full(io.StringIO):
    """A stream on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Full(), closed(), None])
def test_words_are_lost_where_they_cannot_be_written(stream: io.StringIO | None) -> None:
    """Neither a full disk nor a closed or missing stream raises."""
    lossy = LossyText(stream)
    assert lossy.write("words") == 5
    lossy.flush()
    print("words", file=lossy, flush=True)


def test_other_streams_are_written_as_ever() -> None:
    """Words arrive, and what else is asked of the stream is the stream's own answer."""
    stream = io.StringIO()
    lossy = LossyText(stream)
    print("words", file=lossy, flush=True)
    assert stream.getvalue() == "words\n"
    assert lossy.isatty() is False


def nowhere(kind: str) -> IO[bytes]:
    """Return a file that cannot be written: a full disk, or a pipe that nobody reads."""
    if kind == "full":
        return Path("/dev/full").open("wb")
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")


async def answers(port: int, request: bytes) -> bytes:
    """Return the first bytes of an answer, asking until the port is open."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.write(request)
        found = await reader.read(64)
        writer.close()
        return found


@pytest.mark.parametrize("kind", ["full", "unread"])
@pytest.mark.parametrize("command", ["serve", "client"])
async def test_a_program_outlives_the_readers_of_its_words(
    command: str, kind: str, tmp_path: Path
) -> None:
    """With standard output and error that cannot be written it starts, serves and ends well."""
    port, dead = free_port(), free_port()
    if command == "serve":
        options = ["--state", str(tmp_path), "--url", f"http://127.0.0.1:{port}"]
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    else:
        options = ["--invite", f"http://127.0.0.1:{dead}/#{OTHER_KEY}", "--forget"]
        request = b"\5\1\0"
    options += ["--listen", f"127.0.0.1:{port}"]
    with nowhere(kind) as output:
        process = await asyncio.create_subprocess_exec(
            *PASSERELLE, command, *options, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(30):
            assert (await answers(port, request))[:2] in (b"HT", b"\5\0")
            # The client has had time to say that its broker cannot be reached, and goes on.
            assert (await answers(port, request))[:2] in (b"HT", b"\5\0")
            assert process.returncode is None
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
