from __future__ import annotations

from passerelle.core.localport.httpfields import combined, end_to_end

FIELDS = (
    (b"Connection", b"Keep-Alive, X-Hop"),
    (b"connection", b" content-length"),
    (b"X-Hop", b"1"),
    (b"KEEP-ALIVE", b"timeout=5"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Content-Length", b"5"),
    (b"Set-Cookie", b"a, b"),
)


def test_lists_are_combined() -> None:
    """The members of a field that comes several times are members of one list."""
    found = combined(FIELDS, b"connection")
    assert found == {b"keep-alive", b"x-hop", b"content-length"}
    assert combined(FIELDS, b"upgrade") == set()
    assert combined([(b"TE", b"")], b"te") == {b""}


def test_fields_of_one_hop_are_dropped() -> None:
    """Those that Connection names are, but it cannot take a message's length away."""
    assert end_to_end(FIELDS) == [(b"Content-Length", b"5"), (b"Set-Cookie", b"a, b")]
