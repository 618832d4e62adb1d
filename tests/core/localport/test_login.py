from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.localport.login import Login
from passerelle.errors import ConfigError


def test_only_the_right_pair_is_admitted() -> None:
    """Both name and password must be right, also where one is empty or a part of the other."""
    login = Login.parse(" anna:correct:horse \n")
    assert login.admits(b"anna", b"correct:horse")
    assert login.admits_basic(b"Basic " + b64encode(b"anna:correct:horse"))
    for name, password in ((b"anna", b""), (b"", b"correct:horse"), (b"anna", b"correct:hors")):
        assert not login.admits(name, password)
    assert "correct" not in repr(login)


@given(st.binary(max_size=40))
def test_any_field_is_judged(value: bytes) -> None:
    """No value of the field raises."""
    assert not Login(b"anna", b"correct horse").admits_basic(value)
    assert not Login(b"anna", b"correct horse").admits_basic(b"Basic " + value)


@pytest.mark.parametrize(
    "text",
    ["", "anna", ":correct horse", "anna:short", "anna:" + "x" * 256, "anna:correct\nhorse pear"],
)
def test_a_login_that_cannot_be_used_is_refused(text: str) -> None:
    """A missing name, a short password and one that SOCKS5 has no room for are told."""
    with pytest.raises(ConfigError, match="login of the proxy cannot be used"):
        Login.parse(text)
