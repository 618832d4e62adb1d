"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource
import sys


def raise_file_limit() -> int:
    """Let this process open as many files as the system permits, and return how many.

    Systems start programs with a low limit (often 1,024, for the sake of `select`) and expect those
    that need more to ask for it, up to the hard limit.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize
