"""Whether messages are so few that they may go over the DataChannel, and not in a video's frames.

A quiet link is quicker over the DataChannel, which needs no encoder. But a browser's SCTP repairs a
loss slowly, holds back all that comes after it, and sends less after each: on a path of 300 ms that
loses a tenth, it carries 100 kbit/s. The acknowledgements of one fast download are more than that.
A video's frames are repaired in one round trip, and none waits for another.
"""

from __future__ import annotations

from typing import Final

MESSAGES_PER_S: Final = 20.0
"""Messages a second that are few: more than somebody who types makes."""
BURST: Final = 8.0
"""Messages at once that are few."""
MEMORY_S: Final = 0.5
"""Time after many messages until few are seen again: a way that changed for each message would make
those of one way wait for those of the other."""
_MOST: Final = BURST + MEMORY_S * MESSAGES_PER_S


class Sparse:
    """Counts messages; a leaky bucket."""

    def __init__(self, now: float) -> None:
        self._level = 0.0
        self._at = now

    def add(self, now: float) -> bool:
        """Count a message; return whether there were few of late, this one included."""
        leaked = (now - self._at) * MESSAGES_PER_S
        self._level = min(_MOST, max(0.0, self._level - leaked) + 1)
        self._at = now
        return self._level <= BURST
