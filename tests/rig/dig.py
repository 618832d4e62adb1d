"""Run the real dig against a name server at a port of this machine."""

from __future__ import annotations

import asyncio


async def dig(port: int, *words: str) -> str:
    """Ask over UDP, and return what dig prints."""
    process = await asyncio.create_subprocess_exec(
        "dig", "@127.0.0.1", "-p", str(port), "+short", "+notcp", "+tries=2", "+timeout=5", *words,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return out.decode()
