"""Count volunteers and the readers they help, for each publisher and for all together.

A browser names the origin of its page when it opens a WebSocket. It is compared with the pages of
the publishers that have a token, and not kept. So however many origins are invented, there are as
many tallies as publishers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.core.tally import Tally
from passerelle.wire.publishers import Publisher, Publishers

HELPED_BYTES: Final = 64 * 1024
"""A link that carried less helped nobody: its handshakes alone take some kilobytes, and one that is
kept in reserve sends a little, too."""


class Audience:
    """The tallies of one broker."""

    def __init__(
        self,
        publishers: Callable[[], Publishers],
        clock: Callable[[], float],
        network: Tally | None = None,
        tallies: Mapping[str, Tally] | None = None,
    ) -> None:
        """`publishers` returns the present list, `clock` Unix time.

        Counting goes on from `network` and `tallies`, by the publishers' names.
        """
        self._publishers = publishers
        self._clock = clock
        self.network = network or Tally()
        """Counts all volunteers of this broker."""
        self._tallies = dict(tallies or {})
        self._known = Publishers()
        self._tally_of: dict[bytes, Tally] = {}
        """By the handles of volunteers that came from a publisher's page."""

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The tally of each publisher, by its name."""
        self._follow()
        return self._tallies

    def of(self, publisher: Publisher) -> Tally:
        """Return a publisher's tally."""
        return self.tallies.get(publisher.name) or Tally()

    def joined(self, volunteer: bytes, page_origin: str | None) -> None:
        """Count a volunteer, by its handle and what its browser named. Call `left` in the end."""
        now_s = self._clock()
        self.network.joined(now_s)
        publisher = None if page_origin is None else self._follow().of_page(page_origin)
        if publisher is not None:
            self._tally_of[volunteer] = tally = self._tallies[publisher.name]
            tally.joined(now_s)

    def left(self, volunteer: bytes) -> None:
        """Count a volunteer off."""
        now_s = self._clock()
        self.network.left(now_s)
        tally = self._tally_of.pop(volunteer, None)
        if tally is not None:
            tally.left(now_s)

    def tally_of(self, volunteer: bytes) -> Tally | None:
        """Return the tally of the publisher from whose page a connected volunteer came."""
        return self._tally_of.get(volunteer)

    def carried(self, tally: Tally | None, country: str | None, link: LinkExperience) -> None:
        """Count a link that ended, for `tally` too; `country` is its reader's."""
        if link.ending is LinkEnding.UNUSED or link.bytes < HELPED_BYTES:
            return
        now_s = self._clock()
        for each in (self.network, tally):
            if each is not None:
                each.helped(country, link.bytes, now_s)

    def carried_by_lane(self, tally: Tally | None, lane: LinkExperience) -> None:
        """Count the bytes of a further link through a volunteer; its reader counts already."""
        if lane.ending is not LinkEnding.UNUSED:
            now_s = self._clock()
            for each in (self.network, tally):
                if each is not None:
                    each.carried(lane.bytes, now_s)

    def _follow(self) -> Publishers:
        """Have a tally for each publisher, and for nobody who is none any more."""
        known = self._publishers()
        if known is not self._known:
            self._known = known
            self._tallies = {
                entry.name: self._tallies.get(entry.name) or Tally() for entry in known.entries
            }
        return known
