import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle.errors import PeerError
from passerelle.wire import bus
from passerelle.wire.bus import BrokerTotals, OfferPlaced
from passerelle.wire.bus_seal import NONCE_BYTES, BusSeal
from passerelle.wire.rendezvous import Miss

KEY = X25519PrivateKey.generate()
SEAL = BusSeal(KEY)
TOTALS = BrokerTotals("broker-1", 3, 2, {"DE": 1})
NOW = 1_800_000_000.25
NONCE = secrets.token_bytes(NONCE_BYTES)
SEALED = SEAL.seal(TOTALS, "subject", now_s=NOW, nonce=NONCE)


def test_who_has_the_key_opens_what_who_has_it_sealed() -> None:
    opened = BusSeal(KEY).open(SEALED, BrokerTotals, "subject")
    assert (opened.message, opened.time_s, opened.nonce) == (TOTALS, NOW, NONCE)


def test_nothing_of_it_is_read_without_the_key() -> None:
    assert b"broker-1" in bus.encode(TOTALS)
    assert b"broker-1" not in SEALED


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_every_byte_counts(at: int) -> None:
    altered = bytearray(SEALED)
    altered[at] ^= 1
    with pytest.raises(PeerError, match="no broker sealed"):
        SEAL.open(bytes(altered), BrokerTotals, "subject")


@given(data=st.binary(max_size=100))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError, match="no broker sealed"):
        SEAL.open(data, BrokerTotals, "subject")


def test_another_network_and_another_subject_do_not_open_it() -> None:
    with pytest.raises(PeerError, match="no broker sealed"):
        BusSeal(X25519PrivateKey.generate()).open(SEALED, BrokerTotals, "subject")
    with pytest.raises(PeerError, match="no broker sealed"):
        SEAL.open(SEALED, BrokerTotals, "another")


def test_an_answer_fits_its_own_request_only() -> None:
    request, other = (secrets.token_bytes(NONCE_BYTES) for _ in range(2))
    placed = OfferPlaced(Miss.NO_VOLUNTEER)
    sealed = SEAL.seal(placed, "subject", now_s=NOW, nonce=NONCE, answered=request)
    assert SEAL.open(sealed, OfferPlaced, "subject", answered=request).message == placed
    with pytest.raises(PeerError, match="no broker sealed"):
        SEAL.open(sealed, OfferPlaced, "subject", answered=other)
    with pytest.raises(PeerError, match="no broker sealed"):
        SEAL.open(sealed, OfferPlaced, "subject")


def test_a_message_of_another_kind_is_malformed() -> None:
    """A broker of another version may seal what this one cannot read."""
    with pytest.raises(PeerError, match="a bad OfferPlaced"):
        SEAL.open(SEALED, OfferPlaced, "subject")
