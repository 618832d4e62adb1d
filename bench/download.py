"""One download by curl through a client, timed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.errors import Unmeasured
from tests.rig.curl import Proxy, fetch
from tests.rig.site import Site, blob


async def mbit_s(port: int, site: Site, size: int) -> float:
    """Return the rate of a download of `size` bytes, in 10⁶ bits a second.

    `port` is the client's. Raises Unmeasured where the file does not arrive.
    """
    url = f"http://127.0.0.1:{site.port}/bytes/{size}"
    blob(size)  # The site makes its content at the first request.
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        start_s = time.monotonic()
        got = await fetch(Proxy.SOCKS, port, Path(folder) / "file", url)
        took_s = time.monotonic() - start_s
        arrived = got.path.stat().st_size if got.path.exists() else 0
    if arrived != size:
        raise Unmeasured(f"{arrived} of {size} bytes arrived: {got.text}")
    return size * 8 / took_s / 1e6
