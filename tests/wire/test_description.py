from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from tests.wire.strategies import DESCRIPTIONS, LINE_ENDS


def plain(value: Description) -> dict[str, Any]:
    """Return a description's JSON, as a peer could have written it."""
    decoded = msgspec.json.decode(msgspec.json.encode(value))
    assert isinstance(decoded, dict)
    return decoded


def example() -> Description:
    return Description(
        ufrag="abcd",
        pwd="p" * 22,
        fingerprint=bytes(range(32)),
        setup=Setup.ACTIVE,
        candidates=(
            Candidate(CandidateKind.HOST, "192.0.2.1", 1000),
            Candidate(CandidateKind.REFLEXIVE, "2001:db8::1", 65535),
        ),
    )


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("field", ["ufrag", "pwd", "setup", "fingerprint", "kind", "ip", "zone"])
def test_line_ends_are_refused_in_every_text(field: str, end: str) -> None:
    """The decoder refuses text that could start a line of its own."""
    value = plain(example())
    if field == "kind":
        value["candidates"][0][0] += end
    elif field == "ip":
        value["candidates"][0][1] += end
    elif field == "zone":
        value["candidates"][0][1] = f"fe80::1%{end}"
    else:
        value[field] += end
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(value), type=Description)


@given(DESCRIPTIONS, st.sampled_from(["ufrag", "pwd"]), st.text(min_size=1, max_size=5), st.data())
def test_any_foreign_character_is_refused(
    value: Description, field: str, noise: str, data: st.DataObject
) -> None:
    """Text with characters that ICE does not have is refused."""
    text = plain(value)
    at = data.draw(st.integers(0, len(text[field])))
    text[field] = text[field][:at] + noise + text[field][at:]
    try:
        decoded = msgspec.json.decode(msgspec.json.encode(text), type=Description)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return
    assert re.fullmatch("[A-Za-z0-9+/]+", getattr(decoded, field))


@pytest.mark.parametrize(
    "change",
    [
        {"ufrag": "abc"},
        {"ufrag": "a" * 65},
        {"pwd": "p" * 21},
        {"pwd": "p" * 65},
        {"fingerprint": "AAAA"},
        {"setup": "holdconn"},
        {"candidates": [["host", "192.0.2.1", 1]] * (limits.CANDIDATES + 1)},
        {"candidates": [["host", "192.0.2.1", 0]]},
        {"candidates": [["host", "192.0.2.1", 65536]]},
        {"candidates": [["relay", "192.0.2.1", 1]]},
        {"candidates": [["host", "printer.local", 1]]},
        {"candidates": [["host", "192.0.2.01", 1]]},
        {"candidates": [["host", "2001:DB8::1", 1]]},
        {"candidates": [["host", "::ffff:192.0.2.1", 1]]},
        {"candidates": [["host", "::ffff:c000:201", 1]]},
        {"candidates": [["host", "fe80::1%eth0", 1]]},
        {"candidates": [["host", "192.0.2.1", 1, "more"]]},
        {"candidates": [{}]},
        {"sdp": "v=0"},
    ],
)
def test_out_of_range_fields_are_refused(change: dict[str, object]) -> None:
    """Each limit on lengths, counts, ranges and forms holds on its own."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**plain(example()), **change}, Description)


def test_most_candidates_are_taken() -> None:
    """Exactly as many candidates as the limit allows are accepted."""
    value = {**plain(example()), "candidates": [["host", "192.0.2.1", 1]] * limits.CANDIDATES}
    assert len(msgspec.convert(value, Description).candidates) == limits.CANDIDATES


def test_reprs_withhold_addresses() -> None:
    """Neither a description nor a candidate shows an address or a password."""
    shown = repr(example()) + repr(example().candidates) + f"{example()}"
    assert "192.0.2" not in shown
    assert "pppp" not in shown
