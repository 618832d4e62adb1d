"""What a broker tells volunteers of the readers that wait."""

from __future__ import annotations

from passerelle.broker.demand import PERIOD_S, DemandWord
from passerelle.core.matching.demand import MANY
from passerelle.core.origin import IPV4
from passerelle.wire.rendezvous import Answer, Miss
from passerelle.wire.signalling import BrokerPong, Demand, VolunteerPing
from tests.broker.parties import Scene, Volunteer, scene
from tests.broker.test_limits import LOOPBACK, ask_from, serving

BEYOND_NOISE = MANY + 64
"""So many readers are `many`, whatever the noise: it is hardly ever as large."""


class Draws:
    """Random bytes without noise, counted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return b"\xff" * size


async def told(volunteer: Volunteer) -> Demand | None:
    await volunteer.send(VolunteerPing())
    pong = await volunteer.receive()
    assert isinstance(pong, BrokerPong)
    demand: Demand | None = pong.demand
    return demand


async def wait_in_vain(here: Scene, readers: int) -> None:
    for number in range(readers):
        reply = await ask_from(here, f"93.184.{number}.1")
        assert reply is not None
        assert reply.answers == (Miss.NO_VOLUNTEER,)


async def test_volunteers_are_told_of_readers_who_waited_once_the_period_is_over() -> None:
    """All of them hear the same; they have no place, so the readers wait in vain."""
    async with scene(trusted_proxies=LOOPBACK) as here:
        one, other = await here.volunteer(free=0), await here.volunteer(free=0)
        assert await told(one) is None
        await wait_in_vain(here, BEYOND_NOISE)
        assert await told(one) is None
        here.clock[0] += PERIOD_S
        assert (await told(one), await told(other)) == (Demand.MANY, Demand.MANY)


async def test_readers_who_are_helped_at_once_do_not_count() -> None:
    async with scene(trusted_proxies=LOOPBACK) as here:
        async with serving(here, 3, free=64):
            for number in range(BEYOND_NOISE):
                reply = await ask_from(here, f"93.184.{number}.1")
                assert reply is not None
                assert isinstance(reply.answers[0], Answer)
        here.clock[0] += PERIOD_S
        assert await told(await here.volunteer()) in (Demand.NOBODY, Demand.SOME)


def test_a_word_stands_for_a_whole_period_and_is_drawn_once() -> None:
    """Whoever asks again and again gets no second draw, from which the noise could be reckoned."""
    now, draws = [PERIOD_S * 1000], Draws()
    word = DemandWord(clock=lambda: now[0], token=draws)
    assert word.now() is None
    for number in range(8):
        word.note(IPV4 + bytes((1, 2, number)))
    now[0] += PERIOD_S - 1
    assert word.now() is None
    now[0] += 1
    for step in range(10):
        assert word.now() is Demand.SOME
        word.note(IPV4 + bytes((1, 3, step)))
        now[0] += PERIOD_S / 10 - 1e-6
    assert draws.count == 1
    now[0] += 1
    assert word.now() is Demand.SOME
    assert draws.count == 2


def test_readers_of_long_ago_do_not_wait_now() -> None:
    now = [PERIOD_S * 1000]
    word = DemandWord(clock=lambda: now[0], token=Draws())
    for number in range(8):
        word.note(IPV4 + bytes((1, 2, number)))
    now[0] += 2 * PERIOD_S
    assert word.now() is Demand.NOBODY
