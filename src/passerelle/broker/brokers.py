"""What the other brokers of a network say of themselves."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from passerelle import serverlimits
from passerelle.core.bucket import Bucket
from passerelle.wire.bus import BrokerTotals

FRESH_S: Final = 10.0
"""A broker that was not heard of for so long is taken for gone."""


class OtherBrokers:
    """The latest word of each other broker. `now` is monotonic seconds."""

    def __init__(self, own_name: str) -> None:
        """What comes from `own_name` is left out: the bus brings a broker's own words back."""
        self._own_name = own_name
        self._heard: OrderedDict[str, tuple[BrokerTotals, float]] = OrderedDict()
        self._complaints: OrderedDict[str, Bucket] = OrderedDict()

    def hear(self, count: BrokerTotals, now: float) -> None:
        """Take a broker's word. Beyond `serverlimits.BUS_BROKERS`, the oldest word is forgotten."""
        if count.broker == self._own_name:
            return
        self._heard[count.broker] = (count, now)
        self._heard.move_to_end(count.broker)
        if len(self._heard) > serverlimits.BUS_BROKERS:
            self._heard.popitem(last=False)

    def may_complain(self, broker: str, now: float) -> bool:
        """Whether a complaint of a broker's readers counts: `serverlimits.BUS_COMPLAINTS` do.

        This broker's own do not, because they have counted before they came back.
        """
        if broker == self._own_name:
            return False
        most, per_s = serverlimits.BUS_COMPLAINTS
        bucket = self._complaints.setdefault(broker, Bucket(per_s, most, now))
        self._complaints.move_to_end(broker)
        if len(self._complaints) > serverlimits.BUS_BROKERS:
            self._complaints.popitem(last=False)
        return bucket.take(now)

    def counts(self, now: float) -> list[BrokerTotals]:
        """Return the words that are not older than FRESH_S."""
        return [count for count, heard_at in self._heard.values() if now - heard_at < FRESH_S]
