from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode, PeerError
from passerelle.wire import rendezvous, tickets
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.rendezvous import Cipher, RendezvousReply, RendezvousRequest
from passerelle.wire.tickets import Ticket, TicketKind
from tests.wire.outcome import refusal
from tests.wire.strategies import KEYS, REPLIES, REQUESTS

BROKER = X25519PrivateKey.from_private_bytes(b"b" * 32)
CLIENT = X25519PrivateKey.from_private_bytes(b"c" * 32)
OTHER = X25519PrivateKey.from_private_bytes(b"o" * 32)
BROKER_KEY = BROKER.public_key().public_bytes_raw()
OFFER = Description("abcd", "p" * 22, bytes(32), Setup.ACTPASS)
REQUEST = RendezvousRequest(
    version=1,
    time_s=1_800_000_000,
    nonce=b"n" * 16,
    reply_key=CLIENT.public_key().public_bytes_raw(),
    offers=(OFFER,),
)
WORDS = "a rendezvous message that cannot be opened"


@given(REQUESTS)
def test_requests_round_trip(request_: RendezvousRequest) -> None:
    """A request comes back whole, in a sealed message of one of the few sizes."""
    sealed = rendezvous.seal_request(request_, BROKER_KEY)
    assert len(sealed) - rendezvous.SEALED_OVERHEAD_BYTES in limits.SEALED_SIZES
    assert rendezvous.open_request(sealed, BROKER) == request_


@given(REPLIES, st.sampled_from(Cipher))
def test_replies_round_trip(reply: RendezvousReply, cipher: Cipher) -> None:
    """A reply comes back whole to the one who asked."""
    request = msgspec.structs.replace(REQUEST, cipher=cipher)
    sealed = rendezvous.seal_reply(reply, request)
    assert len(sealed) - rendezvous.SEALED_OVERHEAD_BYTES in limits.SEALED_SIZES
    assert rendezvous.open_reply(sealed, CLIENT, request) == reply


def test_a_request_names_the_cipher_it_is_sealed_with() -> None:
    """One that names another is refused, and its reply would not open."""
    aes = msgspec.structs.replace(REQUEST, cipher=Cipher.AES_128_GCM)
    plaintext = rendezvous._padded(aes)
    info = rendezvous._REQUEST_INFO
    sealed = rendezvous._seal(plaintext, BROKER_KEY, info, Cipher.CHACHA20_POLY1305)
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_request(sealed, BROKER)
    reply = rendezvous.seal_reply(RendezvousReply(), REQUEST)
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_reply(reply, CLIENT, aes)


def test_sealing_twice_gives_different_bytes() -> None:
    """Equal requests look unrelated from outside."""
    first, second = (rendezvous.seal_request(REQUEST, BROKER_KEY) for _ in range(2))
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


def test_any_flipped_bit_is_refused() -> None:
    """A changed bit of key, ciphertext or tag is refused, always in the same words."""
    sealed = rendezvous.seal_request(REQUEST, BROKER_KEY)
    for position in [*range(32), 32, 33, len(sealed) // 2, len(sealed) - 16, len(sealed) - 1]:
        for bit in (1, 128):
            damaged = bytearray(sealed)
            damaged[position] ^= bit
            if position == 31 and bit == 128:
                continue  # X25519 ignores this bit (RFC 7748 §5); HPKE hashes it all the same
            with pytest.raises(PeerError, match=WORDS):
                rendezvous.open_request(bytes(damaged), BROKER)


def test_the_bit_that_x25519_ignores_is_covered_too() -> None:
    """HPKE binds the encapsulated key's exact bytes, so even that bit cannot be changed."""
    sealed = bytearray(rendezvous.seal_request(REQUEST, BROKER_KEY))
    sealed[31] ^= 128
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_request(bytes(sealed), BROKER)


def test_a_reply_answers_one_request_only() -> None:
    """A reply opens with neither another nonce, nor another key, nor as a request."""
    sealed = rendezvous.seal_reply(RendezvousReply(), REQUEST)
    other = msgspec.structs.replace(REQUEST, nonce=b"m" * 16)
    for attempt in (
        lambda: rendezvous.open_reply(sealed, CLIENT, other),
        lambda: rendezvous.open_reply(sealed, OTHER, REQUEST),
        lambda: rendezvous.open_request(sealed, CLIENT),
        lambda: rendezvous.open_request(rendezvous.seal_request(REQUEST, BROKER_KEY), OTHER),
    ):
        with pytest.raises(PeerError, match=WORDS) as caught:
            attempt()
        assert caught.value.code is LinkCode.MALFORMED


@given(st.binary(max_size=200))
def test_garbage_gives_only_the_one_refusal(sealed: bytes) -> None:
    """Bytes of any size that nobody sealed are refused."""
    size = limits.SEALED_SIZES[0] + rendezvous.SEALED_OVERHEAD_BYTES
    for attempt in (sealed, sealed.ljust(size, b"\0"), sealed.rjust(size, b"\xff")):
        with pytest.raises(PeerError, match=WORDS):
            rendezvous.open_request(attempt, BROKER)


@given(st.binary(max_size=1022), st.booleans(), st.sampled_from(Cipher))
def test_sealed_garbage_gives_only_the_one_refusal(
    plaintext: bytes, honest_length: bool, cipher: Cipher
) -> None:
    """What anybody sealed to the broker's public key parses or is refused."""
    body = plaintext
    if honest_length:
        body = len(plaintext).to_bytes(2, "big") + plaintext
    padded = body[:1024].ljust(1024, b"\0")
    sealed = rendezvous._seal(padded, BROKER_KEY, rendezvous._REQUEST_INFO, cipher)
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_request(sealed, BROKER)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2**16},
        {"time_s": -1},
        {"nonce": b"short"},
        {"reply_key": b"short"},
        {"offers": (OFFER,) * (limits.OFFERS_PER_REQUEST + 1)},
        {"exit": "wss://evil.example"},
        {"exit": "exit\n"},
        {"avoid": (b"12345678",) * (limits.AVOIDED_VOLUNTEERS + 1)},
        {"avoid": (b"1234567",)},
        {"lanes": limits.LANES},
    ],
)
def test_request_limits_hold_at_the_broker(change: dict[str, object]) -> None:
    """A client that ignores the limits is refused when its request is opened."""
    bad = msgspec.structs.replace(REQUEST, **change)
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_request(rendezvous.seal_request(bad, BROKER_KEY), BROKER)


@pytest.mark.parametrize(
    "change",
    [
        {"answers": (rendezvous.Miss.NO_ANSWER,) * (limits.OFFERS_PER_REQUEST + 1)},
        {"ticket": "t" * (limits.TICKET_BYTES + 1)},
        {"retry_after_s": 3601.0},
        {"retry_after_s": float("nan")},
        {"exit": "Exit"},
    ],
)
def test_reply_limits_hold_at_the_client(change: dict[str, object]) -> None:
    """A broker that ignores the limits is refused when its reply is opened."""
    bad = msgspec.structs.replace(RendezvousReply(), **change)
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.open_reply(rendezvous.seal_reply(bad, REQUEST), CLIENT, REQUEST)


def test_the_largest_messages_fit_a_size_class() -> None:
    """The limits agree with each other: full requests and replies can be sealed."""
    candidate = Candidate(CandidateKind.REFLEXIVE, "2001:db8:1111:2222:3333:4444:5555:6666", 65535)
    full = Description(
        "u" * 64, "p" * 64, bytes(32), Setup.ACTPASS, (candidate,) * limits.CANDIDATES
    )
    request = msgspec.structs.replace(
        REQUEST,
        offers=(full,) * limits.OFFERS_PER_REQUEST,
        avoid=(b"12345678",) * limits.AVOIDED_VOLUNTEERS,
        exit="e" * 32,
        lanes=limits.LANES - 1,
    )
    assert rendezvous.open_request(rendezvous.seal_request(request, BROKER_KEY), BROKER) == request
    longest = Ticket(TicketKind.LINK, "e" * 32, 2**48 - 1, b"i" * 16)
    ticket = tickets.sign(longest, Ed25519PrivateKey.generate())
    answer = rendezvous.Answer(full, b"12345678", (ticket,) * (limits.LANES - 1))
    reply = RendezvousReply(
        "e" * 32, (answer,) * limits.OFFERS_PER_REQUEST, "t" * limits.TICKET_BYTES
    )
    sealed = rendezvous.seal_reply(reply, request)
    assert len(sealed) <= rendezvous.SEALED_BYTES
    assert rendezvous.open_reply(sealed, CLIENT, request) == reply


def test_a_message_beyond_every_size_class_is_a_value_error() -> None:
    """A message of this side that is too long is a ValueError, not a peer's fault."""
    many = msgspec.structs.replace(REQUEST, offers=(OFFER,) * 200)
    with pytest.raises(ValueError, match="size class"):
        rendezvous.seal_request(many, BROKER_KEY)
    with pytest.raises(ValueError, match="size class"):
        rendezvous.seal_reply(RendezvousReply(ticket="t" * 9000), REQUEST)


@pytest.mark.parametrize("key", [bytes(32), b"\1" + bytes(31), b"short"])
def test_a_reply_key_that_is_no_key_is_the_peers_fault(key: bytes) -> None:
    """Points of small order cannot carry a secret: such a request gets no reply."""
    with pytest.raises(PeerError, match=WORDS):
        rendezvous.seal_reply(RendezvousReply(), msgspec.structs.replace(REQUEST, reply_key=key))


@given(KEYS)
def test_any_reply_key_seals_or_is_a_peer_error(key: bytes) -> None:
    """No 32 bytes a client could send do anything else."""
    request = msgspec.structs.replace(REQUEST, reply_key=key)
    code = refusal(lambda: rendezvous.seal_reply(RendezvousReply(), request))
    assert code in (None, LinkCode.MALFORMED)


def test_reprs_withhold_everything() -> None:
    """Neither tickets nor descriptions show."""
    assert repr(REQUEST) == "<rendezvous request with 1 offers>"
    assert "SECRET" not in repr(RendezvousReply(ticket="SECRET"))
