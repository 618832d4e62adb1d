from __future__ import annotations

import re

import pytest

from passerelle import errors
from passerelle.errors import FAILURES, Failure, LinkCode, Sensitive


def test_every_failure_has_a_report() -> None:
    """`FAILURES` is total: an application gets an answer for every failure."""
    assert set(FAILURES) == set(Failure)


@pytest.mark.parametrize("failure", Failure)
def test_reports_are_usable(failure: Failure) -> None:
    """Each report has a SOCKS reply and an HTTP status that mean failure, and a whole sentence."""
    report = FAILURES[failure]
    assert 0x01 <= report.socks_reply <= 0x08
    assert 400 <= report.http_status <= 599
    assert report.sentence.endswith(".")
    assert len(report.sentence.split()) > 5
    assert str(errors.StreamFailed(failure)) == report.sentence


@pytest.mark.parametrize(
    ("failure", "socks_reply", "http_status"),
    [
        (Failure.POLICY, 0x02, 403),
        (Failure.UNREACHABLE, 0x04, 502),
        (Failure.PORT_CLOSED, 0x05, 502),
        (Failure.NO_VOLUNTEER, 0x01, 503),
        (Failure.NO_BROKER, 0x03, 503),
    ],
)
def test_promised_answers(failure: Failure, socks_reply: int, http_status: int) -> None:
    """Applications get the answers that the documents promise."""
    assert (FAILURES[failure].socks_reply, FAILURES[failure].http_status) == (
        socks_reply,
        http_status,
    )


@pytest.mark.parametrize("kind", [errors.PeerError, errors.LinkLost])
def test_peer_errors_name_reason_and_code(kind: type[errors.PeerError]) -> None:
    """The text has reason and code, and the code is there for the wire."""
    error = kind(LinkCode.FLOW, "too many bytes")
    assert str(error) == "too many bytes (flow)"
    assert error.code is LinkCode.FLOW


def test_everything_raised_on_purpose_has_one_base() -> None:
    """Every error derives from PasserelleError, so that a command needs one `except`."""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, errors.PasserelleError), name


def test_the_header_shows_the_tree_of_errors() -> None:
    """The tree names each class, under the class it derives from, and no other."""
    drawn: dict[str, str] = {}
    above = [""]
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"([│├└─ ]*)([A-Z]\w+(?: {2,}|$))", line):
            depth, name = len(branch[1]) // 4, branch[2].strip()
            drawn[name] = above[depth]
            above[depth + 1 :] = [name]
    defined = {
        name: "" if kind is errors.PasserelleError else kind.__base__.__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__base__
    }
    assert drawn == defined


def test_sensitive_values_redact_themselves() -> None:
    """A value shows only its type, however it is formatted."""
    secret = Sensitive("203.0.113.9")
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>30}",
        " ".join([str(secret)]),
        repr([secret]),
    ):
        assert "203" not in shown
        assert "<str withheld>" in shown
    assert secret.reveal() == "203.0.113.9"


def test_sensitive_values_compare_by_value() -> None:
    """Sensitive values can be keys of a table without being revealed."""
    assert Sensitive(1) == Sensitive(1)
    assert Sensitive(1) != Sensitive(2)
    assert Sensitive(1) != 1
    assert len({Sensitive(1), Sensitive(1), Sensitive(2)}) == 2
