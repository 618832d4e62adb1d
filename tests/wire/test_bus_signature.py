import contextlib
from collections.abc import Collection

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.errors import PeerError
from passerelle.io.tunnel.tls import LinkIdentity
from passerelle.wire import bus, bus_signature
from passerelle.wire.bus import ExitLoad

EXIT, OTHER = LinkIdentity.generate(), LinkIdentity.generate()
LOAD = ExitLoad("one", 1_800_000_000, 1, 2, 3)
WORD = bus_signature.sign(LOAD, "subject", EXIT.signing_key)


def pins_of(*identities: LinkIdentity) -> tuple[bytes, ...]:
    return tuple(identity.spki_sha256 for identity in identities)


def read(word: bytes, pins: Collection[bytes], subject: str = "subject") -> ExitLoad | None:
    return bus_signature.read(word, ExitLoad, subject, lambda _: pins)


def test_what_an_exit_signed_is_read_by_any_of_its_pins() -> None:
    assert read(WORD, pins_of(EXIT)) == LOAD
    assert read(WORD, pins_of(OTHER, EXIT)) == LOAD


def test_another_exit_cannot_say_it() -> None:
    with pytest.raises(PeerError, match="did not sign"):
        read(WORD, pins_of(OTHER))
    key, message, _ = msgspec.msgpack.decode(WORD)
    signature = msgspec.msgpack.decode(bus_signature.sign(LOAD, "subject", OTHER.signing_key))[2]
    with pytest.raises(PeerError, match="did not sign"):
        read(msgspec.msgpack.encode([key, message, signature]), pins_of(EXIT))


def test_it_is_said_on_one_subject() -> None:
    with pytest.raises(PeerError, match="did not sign"):
        read(WORD, pins_of(EXIT), "another")


def test_an_altered_message_is_refused() -> None:
    key, _, signature = msgspec.msgpack.decode(WORD)
    busier = bus.encode(msgspec.structs.replace(LOAD, links=0))
    with pytest.raises(PeerError, match="did not sign"):
        read(msgspec.msgpack.encode([key, busier, signature]), pins_of(EXIT))


def test_a_word_that_nobody_may_say_is_not_looked_at() -> None:
    key, message, _ = msgspec.msgpack.decode(WORD)
    assert read(msgspec.msgpack.encode([key, message, bytes(64)]), ()) is None


@pytest.mark.parametrize("more", [[b"x"], [bytes(900_000)]])
def test_what_trails_is_refused(more: list[bytes]) -> None:
    with pytest.raises(PeerError, match="on the bus"):
        read(msgspec.msgpack.encode([*msgspec.msgpack.decode(WORD), *more]), pins_of(EXIT))


def test_a_signed_infinity_is_refused() -> None:
    endless = msgspec.structs.replace(LOAD, time_s=float("inf"))
    with pytest.raises(PeerError, match="a bad ExitLoad"):
        read(bus_signature.sign(endless, "subject", EXIT.signing_key), pins_of(EXIT))


@given(data=st.binary(max_size=200) | st.tuples(st.binary(max_size=40), st.binary(), st.binary()))
def test_garbage_is_refused(data: bytes | tuple[bytes, bytes, bytes]) -> None:
    word = data if isinstance(data, bytes) else msgspec.msgpack.encode(data)
    with contextlib.suppress(PeerError):
        raise AssertionError(read(word, pins_of(EXIT)))
