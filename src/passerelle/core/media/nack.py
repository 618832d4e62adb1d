"""Decide which RTP packets are missing, when to ask again for one, and when to give it up.

A packet is asked for as soon as a later one is here. The shell looks every few milliseconds, which
forgives small reordering. A packet is asked for again when the answer should have come: a round
trip and a margin later. The margin grows with each question, since answers may queue behind what
they repair. Round trips are measured between a first question and its answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle import limits
from passerelle.errors import LinkCode, PeerError

MARGIN_S = 0.010
"""Time added to the round trips for which an answer is waited for."""
PATIENCE = 1.25
"""Round trips for which the answer to a first question is waited for."""
PATIENCE_GROWTH = 0.15
"""Round trips by which each later answer is waited for longer."""
ASK_MOST = 12
"""Most questions for one packet. At 10 % loss each way one packet in 10^8 needs more."""
REPEAT_S = 0.010
"""Time after which a question is repeated where packets are lost often. A browser answers only once
within a round trip (libwebrtc), so a repetition costs no more than the question."""
GIVE_UP_S = 3.0
"""Time after which a missing packet is given up; eight round trips where that is longer. A browser
keeps what it sent for a second, or for three round trips (libwebrtc)."""
INITIAL_RTT_S = 0.2
"""Round trip that is assumed until one is known."""


@dataclass(slots=True)
class _Missing:
    noticed_s: float
    asked_s: float = 0.0
    ask_again_s: float = 0.0
    repeat_s: float = float("inf")
    """When the last question is to be repeated, since it may be lost as well."""
    asked: int = 0
    """How many questions were asked, repetitions not counted."""


class Repair:
    """The packets that are missing of one sequence. Numbers are extended: they do not wrap.

    At most `limits.MEDIA_PACKETS` are missing at a time.
    """

    def __init__(self) -> None:
        self.highest: int | None = None
        """The highest number that arrived."""
        self.rtt_s = INITIAL_RTT_S
        """Smoothed round trip."""
        self.least_rtt_s = float("inf")
        """Smallest round trip; infinity until one was measured."""
        self._least_possible_s = 0.0
        """A packet that comes sooner than this after a question is no answer to it."""
        self.lost = 0
        """How many packets were asked for. Those that were only late are not among them."""
        self.repaired = 0
        """How many missing packets came as retransmissions."""
        self.abandoned = 0
        """How many packets were given up."""
        self._missing: dict[int, _Missing] = {}

    def __len__(self) -> int:
        """Return how many packets are missing."""
        return len(self._missing)

    def arrived(self, number: int, now: float) -> bool:
        """Take a packet's number. Return whether the packet is new.

        Raises PeerError(LIMIT) when more packets are missing than a link's window can hold.
        """
        highest = self.highest
        if highest is None:
            self.highest = number
            return True
        if number <= highest:
            return self._missing.pop(number, None) is not None
        gap = number - highest - 1
        if gap:
            if gap + len(self._missing) > limits.MEDIA_PACKETS:
                raise PeerError(LinkCode.LIMIT, "too many packets missing")
            for missing in range(highest + 1, number):
                self._missing[missing] = _Missing(now)
        self.highest = number
        return True

    def repaired_by(self, number: int, now: float) -> bool:
        """Take the number that a retransmission carries. Return whether that packet was missing."""
        missing = self._missing.pop(number, None)
        if missing is None:
            return False
        self.repaired += 1
        rtt_s = now - missing.asked_s
        if missing.asked == 1 and rtt_s >= self._least_possible_s:
            self._measure(rtt_s)
        return True

    def seed(self, rtt_s: float) -> None:
        """Take the bare round trip, which is known from elsewhere.

        A browser that probes the path sends old packets again unasked. A packet that comes sooner
        than a round trip after a question is no answer to it.
        """
        self._least_possible_s = 0.9 * rtt_s
        if self.least_rtt_s == float("inf"):
            self.rtt_s = rtt_s

    def due(self, now: float, *, twice: bool = False) -> tuple[list[int], list[int]]:
        """Return the packets to ask for now, ascending, and those that are given up by this call.

        With `twice` each question is repeated after `REPEAT_S`.
        """
        ask, give_up = [], []
        for number, missing in self._missing.items():
            if missing.ask_again_s > now:
                if missing.repeat_s <= now:
                    missing.repeat_s = float("inf")
                    ask.append(number)
                continue
            if missing.asked >= ASK_MOST or now - missing.noticed_s > max(
                GIVE_UP_S, 8 * self.rtt_s
            ):
                give_up.append(number)
                continue
            if not missing.asked:
                self.lost += 1
            missing.asked += 1
            missing.asked_s = now
            missing.repeat_s = now + REPEAT_S if twice else float("inf")
            patience = PATIENCE + PATIENCE_GROWTH * (missing.asked - 1)
            missing.ask_again_s = now + patience * self.rtt_s + MARGIN_S
            ask.append(number)
        for number in give_up:
            del self._missing[number]
        self.abandoned += len(give_up)
        return ask, give_up

    def _measure(self, rtt_s: float) -> None:
        if self.least_rtt_s == float("inf"):
            self.rtt_s = max(self.rtt_s, rtt_s)
        self.least_rtt_s = min(self.least_rtt_s, rtt_s)
        self.rtt_s += (rtt_s - self.rtt_s) / 8
