import hashlib

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.matching.proof import PROOF_BYTES, challenge, is_proof, search

KEY, NONCE = b"k" * 32, b"n" * 16
CHALLENGE = challenge(KEY, NONCE, 1_800_000_000)


def test_a_proof_that_was_searched_for_is_one() -> None:
    proof = search(CHALLENGE, 10, range(2**16))
    assert proof is not None
    assert is_proof(CHALLENGE, proof, 10)
    assert hashlib.sha256(CHALLENGE + proof).digest()[0] == 0


def test_a_proof_is_good_for_one_request() -> None:
    proof = search(CHALLENGE, 16, range(2**20))
    assert proof is not None
    for other in (
        challenge(b"o" * 32, NONCE, 1_800_000_000),
        challenge(KEY, b"o" * 16, 1_800_000_000),
        challenge(KEY, NONCE, 1_800_000_001),
    ):
        assert not is_proof(other, proof, 16)


def test_nothing_to_prove_is_proved_by_anything_of_its_size() -> None:
    assert is_proof(CHALLENGE, bytes(PROOF_BYTES), 0)


@given(st.binary(max_size=64))
def test_other_bytes_are_no_proof(proof: bytes) -> None:
    assert not is_proof(CHALLENGE, proof, 60)


def test_a_search_may_be_in_vain() -> None:
    assert search(CHALLENGE, 60, range(100)) is None
