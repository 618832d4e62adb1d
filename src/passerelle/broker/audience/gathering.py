"""Add up what all brokers of a network counted, when a page shows it.

A broker asks the others over the bus and waits a moment for their answers. Nothing is replicated:
each keeps what it counted itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from passerelle import serverlimits
from passerelle.broker.audience.counting import Audience
from passerelle.broker.channel import BrokerChannel
from passerelle.core.tally import Counted, HourCounts, Tally
from passerelle.io.server.bus import Subscription
from passerelle.wire.bus import BusHour, CountsAnswer, CountsQuestion, Subjects
from passerelle.wire.publishers import Publisher

_NUMBER_BYTES = 16
_NETWORK = ""
"""What stands for the whole network in place of a publisher's name."""


@dataclass(slots=True)
class _Asked:
    """A question that waits for answers."""

    wanted: int
    """Brokers that should answer."""
    answers: dict[str, Counted] = field(default_factory=dict)
    """By the broker's name."""
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Counts of one broker or several."""

    counted: Counted
    brokers: int
    """Brokers whose counts these are, this one included."""


class Gathering:
    """Asks other brokers, and answers them. Until `start` this broker is alone."""

    def __init__(
        self,
        audience: Audience,
        channel: BrokerChannel,
        subjects: Subjects,
        *,
        others: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        """`others` returns how many other brokers are heard of; `clock` tells Unix time."""
        self._audience = audience
        self._channel = channel
        self._subjects = subjects
        self._others = others
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._asked: dict[bytes, _Asked] = {}
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Hear the others. Raises LocalError when the bus is away."""
        channel, subjects = self._channel, self._subjects
        self._subscriptions += [
            await channel.subscribe(subjects.question, CountsQuestion, self._hear_question),
            await channel.subscribe(subjects.counts, CountsAnswer, self._hear_answer),
        ]

    async def close(self) -> None:
        """Hear the others no more. Idempotent."""
        for subscription in self._subscriptions:
            await subscription.end()
        self._subscriptions.clear()

    async def gather(self, publisher: Publisher | None) -> Gathered:
        """Return the counts of a publisher, or of the whole network, at all brokers that answer.

        It takes no longer than `serverlimits.COUNTS_ANSWER_S`. Cancelling ends the waiting.
        """
        wanted = min(self._others(), serverlimits.BUS_BROKERS)
        number, asked = secrets.token_bytes(_NUMBER_BYTES), _Asked(wanted)
        if wanted:
            self._asked[number] = asked
            try:
                await self._ask(number, publisher, asked)
            finally:
                del self._asked[number]
        tally = self._audience.network if publisher is None else self._audience.of(publisher)
        counted = tally.counted(self._clock())
        for answer in asked.answers.values():
            counted.add(answer)
        return Gathered(counted, 1 + len(asked.answers))

    async def _ask(self, number: bytes, publisher: Publisher | None, asked: _Asked) -> None:
        name = _NETWORK if publisher is None else publisher.name
        question = CountsQuestion(self._name, number, name)
        self._channel.publish(self._subjects.question, question)
        try:
            async with asyncio.timeout(serverlimits.COUNTS_ANSWER_S):
                await asked.done.wait()
        except TimeoutError:
            return

    def _hear_question(self, question: CountsQuestion) -> None:
        # The bus brings this broker's own questions back.
        if question.broker == self._name:
            return
        tally: Tally | None = self._audience.network
        if question.publisher != _NETWORK:
            tally = self._audience.tallies.get(question.publisher)
        counted = (tally or Tally()).counted(self._clock())
        answer = _to_wire(self._name, question.number, counted)
        self._channel.publish(self._subjects.counts, answer)

    def _hear_answer(self, answer: CountsAnswer) -> None:
        asked = self._asked.get(answer.number)
        if asked is None or answer.broker == self._name or len(asked.answers) >= asked.wanted:
            return
        asked.answers[answer.broker] = _from_wire(answer)
        if len(asked.answers) >= asked.wanted:
            asked.done.set()


def _to_wire(broker: str, number: bytes, counted: Counted) -> CountsAnswer:
    return CountsAnswer(
        broker=broker,
        number=number,
        volunteers=_count(counted.volunteers),
        hours=tuple(
            BusHour(
                hour,
                _count(each.volunteers),
                _count(each.helped),
                min(each.carried_bytes, serverlimits.BUS_LINK_BYTES),
            )
            for hour, each in counted.hours.items()
        ),
        countries={
            name: _count(count)
            for name, count in counted.countries.most_common(serverlimits.COUNTED_COUNTRIES)
            if name is not None
        },
        unknown=_count(counted.countries[None]),
    )


def _from_wire(answer: CountsAnswer) -> Counted:
    countries: Counter[str | None] = Counter(answer.countries)
    countries[None] = answer.unknown
    hours = {
        each.hour: HourCounts(each.volunteers, each.helped, each.carried_bytes)
        for each in answer.hours
    }
    return Counted(answer.volunteers, hours, countries)


def _count(count: int) -> int:
    return min(count, serverlimits.BUS_COUNT)
