"""What is shown: rounded up, and no country of fewer than eight readers."""

from __future__ import annotations

import csv
import io
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from passerelle.broker.audience.figures import (
    MEGABYTE,
    countries_csv,
    figures,
    hours_csv,
)
from passerelle.core.rounding import COUNT_STEP
from passerelle.core.tally import HOUR_S, Tally

BEGIN_S = 500_000 * HOUR_S

links = st.lists(
    st.tuples(
        st.sampled_from(["IR", "RU", "CN", "IS", None]),
        st.integers(min_value=0, max_value=20 * MEGABYTE),
        st.integers(min_value=0, max_value=5),
    ),
    max_size=60,
)


@given(links, st.integers(min_value=0, max_value=20))
def test_no_figure_shows_a_single_person(
    helped: list[tuple[str | None, int, int]], volunteers: int
) -> None:
    """Each figure is a multiple of 8, at most 7 above the truth and never below it."""
    tally = Tally()
    for _ in range(volunteers):
        tally.joined(BEGIN_S)
    for country, size, hour in sorted(helped, key=lambda each: each[2]):
        tally.helped(country, size, BEGIN_S + hour * HOUR_S)
    now_s = BEGIN_S + 5 * HOUR_S
    shown, exact = figures(tally.counted(now_s)), tally.hours(now_s)
    pairs = [
        (shown.volunteers, volunteers),
        (shown.helped, len(helped)),
        (shown.megabytes, -(-sum(size for _, size, _ in helped) // MEGABYTE)),
    ]
    for each, counts in zip(shown.hours, exact.values(), strict=True):
        pairs += [
            (each.volunteers, counts.volunteers),
            (each.helped, counts.helped),
            (each.megabytes, -(-counts.carried_bytes // MEGABYTE)),
        ]
    truth = Counter(country for country, _, _ in helped)
    pairs += [(count, truth[country]) for country, count in shown.countries]
    named = {country for country, _ in shown.countries}
    pairs.append((shown.elsewhere, sum(n for country, n in truth.items() if country not in named)))
    for figure, true in pairs:
        assert figure % COUNT_STEP == 0
        assert true <= figure < true + COUNT_STEP
    assert named == {country for country, n in truth.items() if country and n >= COUNT_STEP}


def test_the_tables_say_what_the_page_says() -> None:
    tally = Tally()
    for _ in range(9):
        tally.joined(BEGIN_S)
        tally.helped("IR", 3 * MEGABYTE, BEGIN_S)
    tally.helped("IS", MEGABYTE, BEGIN_S)
    shown = figures(tally.counted(BEGIN_S))
    assert list(csv.reader(io.StringIO(hours_csv(shown)))) == [
        ["hour_utc", "most_volunteers", "times_helped", "megabytes"],
        ["2027-01-15T08:00Z", "16", "16", "32"],
    ]
    assert list(csv.reader(io.StringIO(countries_csv(shown)))) == [
        ["country", "times_helped"],
        ["IR", "16"],
        ["", "8"],
    ]
