"""Who counts for whom, and that invented origins neither grow the memory nor push anybody out."""

from __future__ import annotations

import tracemalloc

from passerelle.broker.audience.counting import HELPED_BYTES, Audience
from passerelle.core.matching.quality import LinkEnding, LinkExperience
from passerelle.wire.publishers import Publishers
from tests.broker.parties import NOW

NEWS, PAPER = "https://news.example", "https://paper.example"
HELPED = LinkExperience(ending=LinkEnding.LOST, bytes=HELPED_BYTES)


class Scene:
    """An audience with publishers that can change."""

    def __init__(self, *pages: str) -> None:
        self.publishers = Publishers()
        for page in pages:
            self.publishers = self.publishers.given([page], page)
        self.audience = Audience(lambda: self.publishers, lambda: NOW)

    def volunteers(self, page: str) -> int:
        publisher = self.publishers.of_page(page)
        assert publisher is not None
        return self.audience.of(publisher).volunteers

    def helped(self, page: str) -> int:
        publisher = self.publishers.of_page(page)
        assert publisher is not None
        return sum(each.helped for each in self.audience.of(publisher).hours(NOW).values())


def test_a_publisher_has_the_volunteers_of_its_own_pages() -> None:
    """The network has all of them, those without a page and with an unknown one too."""
    here = Scene(NEWS, PAPER)
    for number, page in enumerate((NEWS, NEWS, PAPER, None, "null", "https://news.example.evil")):
        here.audience.joined(bytes([number]), page)
    assert (here.volunteers(NEWS), here.volunteers(PAPER)) == (2, 1)
    assert here.audience.network.volunteers == 6
    for number in range(6):
        here.audience.left(bytes([number]))
    assert (here.volunteers(NEWS), here.volunteers(PAPER)) == (0, 0)
    assert here.audience.network.volunteers == 0


def test_a_link_counts_for_the_page_that_its_volunteer_came_from() -> None:
    """It counts when the volunteer has gone, and only if it carried something."""
    here = Scene(NEWS)
    here.audience.joined(b"a", NEWS)
    tally = here.audience.tally_of(b"a")
    here.audience.left(b"a")
    assert here.audience.tally_of(b"a") is None
    here.audience.carried(tally, "IR", HELPED)
    here.audience.carried(None, "IR", HELPED)
    here.audience.carried(
        tally, "IR", LinkExperience(ending=LinkEnding.CLEAN, bytes=HELPED_BYTES - 1)
    )
    here.audience.carried(tally, "IR", LinkExperience(ending=LinkEnding.UNUSED, bytes=HELPED_BYTES))
    assert here.helped(NEWS) == 1
    assert sum(each.helped for each in here.audience.network.hours(NOW).values()) == 2


def test_who_is_withdrawn_is_forgotten_and_begins_anew() -> None:
    """Volunteers that came before count neither for the new beginning nor against it."""
    here = Scene(NEWS, PAPER)
    here.audience.joined(b"a", NEWS)
    here.audience.joined(b"b", PAPER)
    old = here.audience.tally_of(b"a")
    here.publishers = here.publishers.without(NEWS)
    assert list(here.audience.tallies) == [PAPER]
    here.publishers = here.publishers.given([NEWS], "another")
    here.audience.carried(old, "IR", HELPED)
    assert here.volunteers(NEWS) == 0
    here.audience.left(b"a")
    assert here.volunteers(NEWS) == 0
    assert here.helped(NEWS) == 0
    assert here.volunteers(PAPER) == 1


def test_a_new_token_keeps_the_counts() -> None:
    here = Scene(NEWS)
    here.audience.joined(b"a", NEWS)
    here.publishers = here.publishers.given([NEWS], "another")
    assert here.volunteers(NEWS) == 1


def test_invented_origins_are_not_kept() -> None:
    """Ten thousand volunteers of as many invented pages leave no byte, and a publisher its own."""
    here = Scene(NEWS)
    here.audience.joined(b"a", NEWS)

    def come_and_go(first: int, count: int) -> None:
        for number in range(first, first + count):
            handle = number.to_bytes(4)
            here.audience.joined(handle, f"https://{number}.{'x' * 8000}.example")
            here.audience.left(handle)

    come_and_go(0, 100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    come_and_go(100, 10_000)
    grown_bytes = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown_bytes < 10_000
    assert list(here.audience.tallies) == [NEWS]
    assert here.volunteers(NEWS) == 1
