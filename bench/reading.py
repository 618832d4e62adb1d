"""What a reader does: `python -m bench.reading WORK PROXY_PORT HOST PORT --seconds S --seed N`.

It uses a `bench.site` through the client's proxy. `pages` opens pages with pauses between them: a
document, then its parts over six connections. `video` fetches a piece every four seconds, as a
player does. `download` fetches one large file, and `idle` does nothing. It ends after `--seconds`.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench import app
from bench.site import BUFFER_BYTES

CONNECTIONS: Final = 6
"""As many connections a browser opens to one site at once."""
PARTS: Final = (4, 30)
"""How many parts a page has."""
DOCUMENT_BYTES: Final = (10_000, 120_000)
PART_BYTES: Final = 18_000
"""The median size of a part; sizes are spread log-normally, as those of the web."""
PART_SPREAD: Final = 1.2
LARGEST_PART_BYTES: Final = 1_500_000
PAUSE_S: Final = (1.0, 9.0)
"""How long a page is looked at."""
PIECE_S: Final = 4.0
"""How much of a video one piece holds."""
VIDEO_RATE: Final = 250_000
"""Bytes a second of a video, of 480 lines: 2 Mbit/s."""
DOWNLOAD_BYTES: Final = 1 << 40


def pages(fetch: Callable[[int], None], chance: random.Random) -> None:
    """Open pages, one after the other."""
    with ThreadPoolExecutor(CONNECTIONS) as connections:
        while True:
            fetch(chance.randint(*DOCUMENT_BYTES))
            sizes = [
                min(LARGEST_PART_BYTES, round(PART_BYTES * chance.lognormvariate(0, PART_SPREAD)))
                for _ in range(chance.randint(*PARTS))
            ]
            list(connections.map(fetch, sizes))
            time.sleep(chance.uniform(*PAUSE_S))


def video(fetch: Callable[[int], None], chance: random.Random) -> None:
    """Fetch a piece of a video whenever one has been played."""
    while True:
        start_s = time.monotonic()
        fetch(round(VIDEO_RATE * PIECE_S * chance.uniform(0.7, 1.3)))
        time.sleep(max(0.0, start_s + PIECE_S - time.monotonic()))


def download(fetch: Callable[[int], None], _chance: random.Random) -> None:
    """Fetch one large file."""
    fetch(DOWNLOAD_BYTES)


def idle(_fetch: Callable[[int], None], _chance: random.Random) -> None:
    """Do nothing."""


WORKS: Final = {"pages": pages, "video": video, "download": download, "idle": idle}


def main() -> None:
    """Do one kind of work in a thread that ends with the process."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading")
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("proxy", type=int)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.early = False

    def fetch(size: int) -> None:
        buffer = bytearray(BUFFER_BYTES)
        with app.connect(options, f"down {size}\n".encode()) as connection:
            while connection.recv_into(buffer):
                pass

    words = (fetch, random.Random(options.seed))
    worker = threading.Thread(target=WORKS[options.work], args=words, daemon=True)
    worker.start()
    time.sleep(options.seconds)


if __name__ == "__main__":
    main()
