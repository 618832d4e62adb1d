"""The picture of a transfer."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.drawing import Sample, TransferRecord, draw

SVG = "{http://www.w3.org/2000/svg}"


def story() -> TransferRecord:
    samples = [
        Sample(
            step / 10, 100_000 * step, {1: min(step, 20) * 100_000, 7: max(0, step - 20) * 10**5}
        )
        for step in range(41)
    ]
    return TransferRecord(samples, [(2.0, "tab <closed>")])


def test_the_picture_is_sound_and_says_what_happened() -> None:
    """Well-formed, one colour for each link in both panels, each ending named."""
    root = ET.fromstring(draw(story(), "4 MB & more"))
    assert root.findtext(f"{SVG}title") == "4 MB & more"
    colours = [each.get("fill") for each in root.iter(f"{SVG}polygon")]
    assert len(colours) == 4
    assert colours[:2] == colours[2:]
    assert len(set(colours)) == 2
    texts = {(each.text or "").strip() for each in root.iter(f"{SVG}text")}
    assert {"link 1", "link 7", "tab <closed>", "MB", "Mbit/s"} <= texts


def test_the_line_ends_at_the_last_byte() -> None:
    """At the right edge, and at the top of its scale."""
    root = ET.fromstring(draw(story(), "t"))
    (line,) = root.iter(f"{SVG}polyline")
    first, *_, last = (line.get("points") or "").split()
    assert first == "64.0,330.0"
    assert last == "856.0,70.0"
