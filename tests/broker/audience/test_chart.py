"""Pictures by the hour: well-formed, inside their frame, and readable for those who do not see."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from passerelle.broker.audience import chart
from passerelle.core.tally import HOUR_S


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=168))
def test_every_bar_stays_in_the_picture(values: list[int]) -> None:
    """There is a bar for each value but 0, as high as its share of the highest line."""
    times_s = [HOUR_S * number for number in range(len(values))]
    picture = ET.fromstring(chart.bars('a "label" <b>', times_s, values))
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == 'a "label" <b>'
    rects = picture.findall(".//rect")
    assert len(rects) == sum(value > 0 for value in values)
    width, height = (float(each) for each in str(picture.get("viewBox")).split()[2:])
    for rect in rects:
        x, y, wide, high = (float(str(rect.get(n))) for n in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width + 0.1
        assert 0 <= y <= y + high <= height + 0.1
    titles = [str(rect.findtext("title")) for rect in rects]
    assert [title.rpartition("· ")[2] for title in titles] == [str(v) for v in values if v]


@given(st.integers(min_value=0, max_value=10**15), st.integers(min_value=0, max_value=100))
def test_no_text_is_cut_off(most: int, first_hour: int) -> None:
    """Numbers have room beside the picture, and times end in it: a digit takes 0.6 of the size."""
    times_s = [HOUR_S * (first_hour + number) for number in range(72)]
    picture = ET.fromstring(chart.bars("label", times_s, [most] * 72))
    width = float(str(picture.get("viewBox")).split()[2])
    for number in picture.findall(".//g[@class='grid']/text"):
        assert float(str(number.get("x"))) >= 0.6 * 22 * len(str(number.text))
    times = picture.findall(".//g[@class='ticks']/g")
    assert times
    for time in times:
        text = time.find("text")
        assert text is not None
        size = 12 if time.get("class") == "late" else 22
        assert float(str(text.get("x"))) + 0.5 * size * len(str(text.text)) <= width
