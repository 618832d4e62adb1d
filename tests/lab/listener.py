"""Listen on a TCP port of every address: `python -m tests.lab.listener PORT`.

For each line on standard input it prints how many connections each address has got so far.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
from collections import Counter


def main(port: int) -> None:
    """Listen until standard input ends."""
    heard: Counter[str] = Counter()
    selector = selectors.DefaultSelector()
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    selector.register(server, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is server:
                connection, _ = server.accept()
                with connection:
                    heard[str(connection.getsockname()[0]).removeprefix("::ffff:")] += 1
            elif sys.stdin.readline():
                print(json.dumps(heard), flush=True)
            else:
                return


if __name__ == "__main__":
    main(int(sys.argv[1]))
