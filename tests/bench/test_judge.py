"""The judgement of windows whose difference is known."""

from dataclasses import replace

import numpy as np
import pytest

from bench.judge import Window, balanced, control, halves, judge, signs


def made(name: str, captures: int, shift: float, *, path: str = "near") -> list[Window]:
    """Return five windows of each capture, whose first feature is as large as `shift`."""
    random = np.random.default_rng(len(name) + captures)
    return [
        Window(
            path,
            f"{name} {number}",
            name,
            {"told": float(random.normal(shift)), "noise": float(random.normal())},
        )
        for number in range(captures)
        for _ in range(5)
    ]


def test_what_differs_is_told_apart_and_its_feature_is_named() -> None:
    calls, ours = made("calls", 8, 0), made("ours", 8, 8)
    verdict = judge(calls, ours)
    assert verdict.auc == 1
    assert verdict.kinds == {"ours": 1}
    assert verdict.windows == (40, 40)
    (sign, other) = signs(calls, ours)
    assert (sign.feature, sign.alone) == ("told", 1)
    assert sign.weight > other.weight


def test_what_is_alike_is_not_told_apart() -> None:
    verdict = judge(made("calls", 12, 0), made("ours", 12, 0))
    assert 0.25 < verdict.auc < 0.75
    assert verdict.low <= verdict.auc <= verdict.high


def test_a_capture_is_not_learned() -> None:
    """Captures that are alike inside and differ by chance are no difference of the classes."""
    random = np.random.default_rng(1)
    marks = {f"{name} {at}": random.normal() for name in ("calls", "ours") for at in range(12)}
    windows = [
        Window("near", capture, "x", {"mark": float(mark + random.normal(scale=0.01))})
        for capture, mark in marks.items()
        for _ in range(8)
    ]
    verdict = judge(
        [each for each in windows if each.capture.startswith("calls")],
        [each for each in windows if each.capture.startswith("ours")],
    )
    assert verdict.auc < 0.8


def test_each_path_counts_equally_in_both_classes() -> None:
    first = made("calls", 4, 0, path="near") + made("calls far", 2, 0, path="far")
    second = made("ours", 2, 0, path="near") + made("ours far", 6, 0, path="far")
    second += made("ours else", 3, 0, path="elsewhere")
    for chosen in balanced(first, second, np.random.default_rng(1)):
        assert [each.path for each in chosen].count("near") == 10
        assert [each.path for each in chosen].count("far") == 10
        assert len(chosen) == 20


def test_too_little_is_an_error() -> None:
    with pytest.raises(ValueError, match="two captures"):
        judge(made("calls", 4, 0), made("ours", 1, 0))


def test_halves_are_made_of_pairs() -> None:
    """One of each pair is in either half, and where captures are odd in number one is left out."""
    windows = made("calls", 5, 0) + made("calls far", 4, 0, path="far")
    one, other = halves(windows, 3)
    assert {each.capture for each in one} == {each.capture for each in other}
    assert {(each.path, each.capture) for each in one} == {
        *(("near", "near 0"), ("near", "near 1"), ("far", "far 0"), ("far", "far 1"))
    }
    values = [{each.features["noise"] for each in half} for half in (one, other)]
    assert not values[0] & values[1]
    assert len(one) == len(other) == 20


def test_kinds_that_differ_do_not_lead_the_control_astray() -> None:
    """Captures of four kinds, each of them like its own kind only, are no difference of halves."""
    windows = [
        replace(each, capture=f"{each.capture} {shift}")
        for shift in (0.0, 20.0, 40.0, 60.0)
        for each in made("calls", 4, shift)
    ]
    mean, least, most = control(windows, 2)
    assert 0.25 < mean < 0.75
    assert least <= mean <= most
