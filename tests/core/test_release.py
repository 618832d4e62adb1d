import pytest

from passerelle.core.release import is_older, parse


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("0.1.0", (0, 1, 0)),
        ("passerelle-switch/0.12.3", (0, 12, 3)),
        ("", None),
        ("test", None),
        ("1.2", None),
        ("1.2.3-beta", None),
        ("1.2.3\n", None),
        ("a/b/1.2.3", None),
        ("1.2.٣", None),
    ],
)
def test_releases_are_read_or_not(text: str, release: tuple[int, int, int] | None) -> None:
    assert parse(text) == release


def test_older_is_by_numbers() -> None:
    assert is_older("passerelle/0.9.0", (0, 10, 0))
    assert not is_older("passerelle/0.10.0", (0, 10, 0))
    assert not is_older("passerelle/1.0.0", (0, 10, 0))
    assert is_older("", (0, 0, 1)), "releases before this one said nothing"
    assert not is_older("", None)
