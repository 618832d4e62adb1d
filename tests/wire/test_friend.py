from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import ConfigError
from passerelle.wire import friend
from passerelle.wire.friend import TextKind, decode, encode, is_whole

SEALED = bytes(range(256)) * 4
TEXT = encode(TextKind.ASK, SEALED)


@given(st.sampled_from(TextKind), st.binary(max_size=limits.TEXT_SEALED_BYTES))
def test_round_trip(kind: TextKind, sealed: bytes) -> None:
    """A text reads back to its message, and its lines are short."""
    text = encode(kind, sealed)
    assert decode(kind, text) == sealed
    assert max(map(len, text.splitlines())) <= 72
    assert set(text.partition(":")[2]) <= set("abcdefghijklmnopqrstuvwxyz234567 \n.")


@given(
    st.text(max_size=50), st.sampled_from(["\n", "\r\n", " ", "", "\n> ", "\t\n"]), st.booleans()
)
def test_what_chats_and_mail_do_to_it_does_no_harm(before: str, line_end: str, upper: bool) -> None:
    """Other line ends, quotation marks, capitals and words around a text do no harm."""
    text = before.replace(":", "") + TEXT.replace("\n", line_end) + " Good luck."
    assert decode(TextKind.ASK, text.upper() if upper else text) == SEALED


@given(st.text() | st.text(alphabet="passerlk-1: .a2>\n").map(TextKind.ASK.value.__add__))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text gives bytes or a sentence for a person."""
    try:
        decode(TextKind.ASK, text)
    except ConfigError as error:
        assert str(error).endswith("."), error  # noqa: PT017


@given(st.integers(0, 200), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_no_altered_letter_is_missed(at: int, letter: str) -> None:
    """An altered letter is noticed, except by a chance of one in four thousand million."""
    letters = TEXT.index(" ") + 1
    place = letters + at
    altered = TEXT[:place] + letter + TEXT[place + 1 :]
    if altered.replace("\n", "") == TEXT.replace("\n", "") or TEXT[place] == "\n":
        return
    with pytest.raises(ConfigError, match="altered"):
        decode(TextKind.ASK, altered)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no text of Passerelle's"),
        ("hello", "no text of Passerelle's"),
        ("passerelle-ask2: abcd.", "no text of Passerelle's"),
        (encode(TextKind.ANSWER, SEALED), "other one of the two texts"),
        (TEXT[:-1], "cut off"),
        (TEXT[:300], "cut off"),
        (TEXT[:300] + ".", "altered"),
        (TEXT.replace("1: ", "1: !"), "altered"),
        ("passerelle-ask1: .", "altered"),
        ("passerelle-ask1: a.", "altered"),
        ("passerelle-ask1: " + "a" * friend.TEXT_CHARS, "cut off"),
    ],
)
def test_the_person_learns_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        decode(TextKind.ASK, text)


def test_texts_have_a_limit() -> None:
    """A message beyond the limit is neither written nor read."""
    with pytest.raises(ValueError, match="too long"):
        encode(TextKind.ASK, bytes(limits.TEXT_SEALED_BYTES + 1))
    largest = encode(TextKind.ASK, bytes(limits.TEXT_SEALED_BYTES))
    assert len(largest) < friend.TEXT_CHARS
    assert decode(TextKind.ASK, largest) == bytes(limits.TEXT_SEALED_BYTES)
    longer = base64.b32encode(bytes(limits.TEXT_SEALED_BYTES + 1 + 4)).decode().rstrip("=")
    with pytest.raises(ConfigError, match="altered"):
        decode(TextKind.ASK, f"passerelle-ask1: {longer}.")


def test_lines_are_read_until_the_full_stop() -> None:
    """A terminal gives a pasted text line by line."""
    so_far = ""
    for line in TEXT.splitlines(keepends=True):
        assert not is_whole(so_far)
        so_far += line
    assert is_whole(so_far + "\n")
    assert is_whole("a" * (friend.TEXT_CHARS + 1))
