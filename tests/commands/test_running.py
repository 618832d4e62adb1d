from __future__ import annotations

import asyncio
import contextlib
import resource
import sys

from tests.rig.ports import free_port

OTHER_KEY = "A" * 43


def low_limit() -> None:
    """Give the program the limit that a shell's `ulimit -Sn 128` gives."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))


async def greet(port: int) -> tuple[bytes, asyncio.StreamWriter]:
    """Return what the proxy answers to a SOCKS5 greeting; the connection stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\5\1\0")
    return await reader.read(2), writer


async def test_a_client_opens_more_files_than_its_shell_allows_at_first() -> None:
    """The soft limit is raised to the hard one: 130 applications fit under a limit of 128."""
    port, dead = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "passerelle", "client", "--forget"),
        *("--invite", f"http://127.0.0.1:{dead}/#{OTHER_KEY}", "--listen", f"127.0.0.1:{port}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=low_limit,
    )
    try:
        async with asyncio.timeout(30):
            assert process.stderr is not None
            while b"Proxy open" not in (line := await process.stderr.readline()):
                assert line, "the client ended"
            held = [await greet(port) for _ in range(130)]
            assert [answer for answer, _ in held] == [b"\5\0"] * 130
            for _, writer in held:
                writer.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
