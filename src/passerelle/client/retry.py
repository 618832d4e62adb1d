"""When a client asks a broker for volunteers again: one decision, apart from the asking.

Pure: `now` is monotonic seconds, `chance` is uniform in [0, 1).
"""

from __future__ import annotations

from passerelle.core.backoff import Backoff


class RetryPolicy:
    """Decides how long the client waits until its next request for volunteers.

    | what happened                          | the next request comes                    |
    |----------------------------------------|-------------------------------------------|
    | everybody who was asked for was found  | at once, if more are missing              |
    | somebody was not found, or no answer   | after a pause, a broker's word is heeded  |
    | a link could not be made               | after a pause, once any other is over     |
    | the last link was lost or fell silent  | at once: the pause ends                   |
    | the computer slept, or moved           | at once: the pause ends                   |

    A pause is short while the session has no link and none is being made, and long while only
    spares are missing. Each kind doubles from pause to pause, with jitter, until a link is made. A
    long pause becomes a short one when there is no link to be a spare for, and a short one lasts
    `urgent_s` at most while an application waits. A broker's word is heeded all the same. Where
    only a door leads to a broker, a pause for spares takes hours: its owner pays for each request.
    """

    def __init__(
        self,
        *,
        first_s: tuple[float, float],
        spare_s: tuple[float, float],
        urgent_s: float,
        door_s: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`first_s`, `spare_s` and, for spares through a door, `door_s` are the first and the
        longest pause of each kind, in seconds; no pause of the last kind is shorter than the others
        for spares.
        """
        self._first = Backoff(*first_s)
        self._spare = Backoff(*spare_s)
        self._door = Backoff(*door_s)
        self._is_by_door = False
        """Whether a door brought the last answer of a broker."""
        self._urgent_s = urgent_s
        self._links = 0
        self._link_failed = False
        self._pause_began = 0.0
        self._pause_ends = 0.0
        self._pause_is_for_spares = False
        self._broker_wants = 0.0
        """The broker wants to be asked no sooner than at this time."""

    def links_changed(self, links: int, *, now: float) -> None:
        """Learn how many links the session has.

        Those that stall or leave count, those that have fallen silent do not.
        """
        if links:
            self._first.reset()
        elif self._links:
            self.start_over(now)
        if links > self._links:
            self._spare.reset()  # somebody was found, so others may be
            self._door.reset()
        self._links = links

    def start_over(self, now: float) -> None:
        """End the pause, and let the next one be the shortest again.

        For an event after which earlier failures say nothing about the next request.
        """
        self._first.reset()
        self._link_failed = False
        self._pause_ends = now

    def link_failed(self) -> None:
        """Learn that a link could not be made.

        Volunteers who answer and then fail must not make the client ask without end.
        """
        self._link_failed = True

    def request_ended(
        self,
        *,
        found_all: bool,
        only_spares: bool,
        now: float,
        chance: float,
        least_s: float = 0.0,
        by_door: bool = False,
    ) -> float:
        """Return the seconds from `now` to the next request, after one that has ended.

        `only_spares` tells whether a link is up or being made, `by_door` whether a door brought the
        last answer. A pause lasts at least `least_s`, which a broker may have named.
        """
        self._is_by_door = by_door
        self._broker_wants = now + least_s
        # Of more volunteers than one request may ask for, a door is not asked for the rest.
        is_due = found_all and not (by_door and only_spares)
        self._pause(now, 0.0 if is_due else self._next_pause_s(only_spares, chance), only_spares)
        return self._pause_ends - now

    def wait_s(
        self, *, only_spares: bool, now: float, chance: float, urgent: bool = False
    ) -> float:
        """Return the seconds from `now` to the next request; 0: it is due.

        `only_spares` as in `request_ended`; `urgent` tells whether an application waits for a
        first link. To be asked while somebody is missing.
        """
        if self._link_failed and now >= self._pause_ends:
            self._link_failed = False
            self._pause(now, self._next_pause_s(only_spares, chance), only_spares)
        elif self._pause_is_for_spares and not only_spares and now < self._pause_ends:
            self._link_failed = False
            self._pause(now, min(self._pause_ends - now, self._first.next_s(chance)), only_spares)
        ends = self._pause_ends
        if urgent and not only_spares:
            ends = min(ends, max(self._pause_began + self._urgent_s, self._broker_wants))
        return max(0.0, ends - now)

    def _pause(self, now: float, pause_s: float, only_spares: bool) -> None:
        self._pause_began = now
        self._pause_ends = max(now + pause_s, self._broker_wants)
        self._pause_is_for_spares = only_spares

    def _next_pause_s(self, only_spares: bool, chance: float) -> float:
        if not only_spares:
            return self._first.next_s(chance)
        spare_s = self._spare.next_s(chance)
        return max(spare_s, self._door.next_s(chance)) if self._is_by_door else spare_s
