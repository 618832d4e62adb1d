"""How fast bytes pass: a bound in Mbit/s for all people together, and one for each person."""

from __future__ import annotations

import asyncio
import math

from passerelle.core.bucket import Bucket

_BYTES_PER_MBIT = 125_000
_BURST_S = 0.1
"""Time at the full rate that may be saved up."""


class Rate:
    """Lets messages pass at a rate, in the order in which they ask."""

    def __init__(self, mbit: float) -> None:
        """`mbit` is 10⁶ bits a second; infinity for no bound."""
        self._bucket: Bucket | None = None
        if math.isfinite(mbit):
            bytes_s = mbit * _BYTES_PER_MBIT
            self._bucket = Bucket(bytes_s, bytes_s * _BURST_S, _now())

    async def wait(self, size: int) -> None:
        """Return when `size` bytes may pass. Cancelling gives the turn up, and its bytes count."""
        if self._bucket is not None and (wait_s := self._bucket.spend(size, _now())) > 0:
            await asyncio.sleep(wait_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
