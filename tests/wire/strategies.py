"""Hypothesis strategies for every message that crosses a wire."""

from __future__ import annotations

import string
from typing import Any

import msgspec
from hypothesis import strategies as st

from passerelle import limits
from passerelle.errors import LinkCode
from passerelle.wire import control, descriptor, frames, invite, rendezvous, signalling, tickets
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup

ICE = string.ascii_letters + string.digits + "+/"
U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U48 = st.integers(0, 2**48 - 1)
U64 = st.integers(0, 2**64 - 1)
OFFSETS = st.integers(0, 2**62)
CODES = st.sampled_from(LinkCode)
KEYS = st.binary(min_size=32, max_size=32)
EXIT_IDS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=32)
TICKET_TEXTS = st.text(ICE, max_size=limits.TICKET_BYTES)

LINE_ENDS = (
    "\n",
    "\r",
    "\r\n",
    "\0",
    " ",
    "\u2028",
    "\x85",
    "\r\na=candidate:1 1 udp 1 x 9 typ host",
)
"""Texts that could end a line of SDP, or a text in some parser."""


def _host(address: Any) -> str | None:
    if address.version == 6 and (address.ipv4_mapped or address.scope_id):
        return None
    return str(address)


ADDRESSES = st.ip_addresses().map(_host).filter(lambda ip: ip is not None)
CANDIDATES = st.builds(Candidate, st.sampled_from(CandidateKind), ADDRESSES, st.integers(1, 65535))
DESCRIPTIONS = st.builds(
    Description,
    ufrag=st.text(ICE, min_size=4, max_size=64),
    pwd=st.text(ICE, min_size=22, max_size=64),
    fingerprint=KEYS,
    setup=st.sampled_from(Setup),
    candidates=st.lists(CANDIDATES, max_size=limits.CANDIDATES).map(tuple),
    media=st.just(msgspec.UNSET) | st.integers(1, 255),
)


@st.composite
def acks(draw: st.DrawFn) -> frames.Ack:
    """An ACK whose ranges ascend and are apart, as a receiver makes them."""
    in_order = draw(OFFSETS)
    position, ranges = in_order, []
    steps = st.tuples(st.integers(1, 2**20), st.integers(1, 2**20))
    for gap, length in draw(st.lists(steps, max_size=limits.ACK_RANGES)):
        ranges.append((position + gap, position + gap + length))
        position += gap + length
    delay_s = draw(st.integers(0, 0xFFFF)) / 10_000
    return frames.Ack(draw(U64), delay_s, in_order, tuple(ranges))


FRAMES: st.SearchStrategy[frames.Frame] = st.one_of(
    st.builds(
        frames.Hello,
        session_id=st.binary(min_size=16, max_size=16),
        may_create=st.booleans(),
        received=U64,
        ticket=TICKET_TEXTS,
        version=st.integers(0, 255),
    ),
    st.builds(
        frames.Welcome,
        resumed=st.booleans(),
        received=U64,
        window_bytes=st.integers(0, 2**32 - 1),
        version=st.integers(0, 255),
    ),
    st.builds(frames.Refused, CODES),
    st.builds(frames.Data, OFFSETS, st.binary(min_size=1, max_size=200)),
    acks(),
    st.builds(frames.Ping, U64),
    st.builds(frames.Pong, U64),
    st.builds(frames.Padding, st.integers(0, 300)),
    st.just(frames.Drain()),
    st.builds(frames.Close, CODES, st.booleans()),
    st.builds(frames.WindowFrame, U32),
)

OFFER_NUMBERS = st.integers(0, 2**31 - 1)
SLOTS = st.integers(0, 64)
NATS = st.sampled_from(signalling.NatClass)
FROM_VOLUNTEER: st.SearchStrategy[signalling.FromVolunteer] = st.one_of(
    st.builds(
        signalling.VolunteerHello,
        version=U16,
        software=st.text(max_size=64),
        free=SLOTS,
        nat=NATS,
    ),
    st.builds(signalling.VolunteerReady, SLOTS, st.none() | NATS),
    st.builds(signalling.VolunteerAnswer, OFFER_NUMBERS, DESCRIPTIONS),
    st.builds(signalling.VolunteerDecline, OFFER_NUMBERS, st.sampled_from(signalling.Decline)),
)
COUNTRIES = st.none() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
FROM_BROKER: st.SearchStrategy[signalling.FromBroker] = st.one_of(
    st.builds(signalling.BrokerWelcome, st.integers(0, 2**31), COUNTRIES, st.booleans()),
    st.builds(
        signalling.BrokerOffer,
        OFFER_NUMBERS,
        EXIT_IDS,
        TICKET_TEXTS,
        DESCRIPTIONS,
        st.booleans(),
        COUNTRIES,
    ),
    st.builds(
        signalling.BrokerBye,
        st.sampled_from(signalling.Bye),
        st.none() | st.floats(0, 86_400, allow_nan=False),
    ),
)

SHORT_TICKETS = st.lists(st.text(ICE, max_size=200), max_size=limits.LANES - 1).map(tuple)
"""Tickets as long as a broker makes them: four answers with the longest fit no size class."""
CONTROLS: st.SearchStrategy[control.Control] = st.one_of(
    st.just(control.RelayDrain()),
    st.builds(control.Lane, OFFER_NUMBERS, TICKET_TEXTS, DESCRIPTIONS),
    st.builds(control.LaneAnswer, OFFER_NUMBERS, DESCRIPTIONS),
    st.builds(control.LaneRefused, OFFER_NUMBERS),
    st.builds(control.Got, U32),
    st.builds(
        control.Resend,
        st.lists(st.tuples(U32, U32), min_size=1, max_size=limits.RESEND_GAPS).map(tuple),
    ),
)

HANDLES = st.binary(min_size=8, max_size=8)
REQUESTS = st.builds(
    rendezvous.RendezvousRequest,
    version=U16,
    time_s=U48,
    nonce=st.binary(min_size=16, max_size=16),
    reply_key=KEYS,
    offers=st.lists(DESCRIPTIONS, min_size=1, max_size=limits.OFFERS_PER_REQUEST).map(tuple),
    exit=st.none() | EXIT_IDS,
    avoid=st.lists(HANDLES, max_size=limits.AVOIDED_VOLUNTEERS).map(tuple),
    lanes=st.integers(0, limits.LANES - 1),
    nat=NATS,
    gateway=st.booleans(),
    cipher=st.sampled_from(rendezvous.Cipher),
)
REPLIES = st.builds(
    rendezvous.RendezvousReply,
    exit=st.none() | EXIT_IDS,
    answers=st.lists(
        st.builds(rendezvous.Answer, DESCRIPTIONS, HANDLES, SHORT_TICKETS)
        | st.sampled_from(rendezvous.Miss),
        max_size=limits.OFFERS_PER_REQUEST,
    ).map(tuple),
    ticket=TICKET_TEXTS,
    refusal=st.none() | st.sampled_from(rendezvous.Refusal),
    retry_after_s=st.floats(0, 3600, allow_nan=False),
)

TICKETS = st.builds(
    tickets.Ticket,
    kind=st.sampled_from(tickets.TicketKind),
    exit=EXIT_IDS,
    expires_s=U48,
    id=st.binary(min_size=16, max_size=16),
    tags=st.just(b"") | st.binary(min_size=12, max_size=12),
)

HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z]{2,8})?(:[1-9][0-9]{0,3})?", fullmatch=True)
DESCRIPTORS = st.builds(
    descriptor.Descriptor,
    name=st.text(min_size=1, max_size=100),
    issued_s=U48,
    expires_s=U48,
    brokers=st.lists(
        st.builds(descriptor.BrokerEntry, HOSTS.map("https://{}".format), KEYS, KEYS),
        min_size=1,
        max_size=4,
    ).map(tuple),
    exits=st.lists(
        st.builds(
            descriptor.ExitEntry,
            EXIT_IDS,
            HOSTS.map("wss://{}/v1/link".format),
            st.lists(KEYS, min_size=1, max_size=4).map(tuple),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    stun=st.lists(HOSTS.map("stun:{}".format), max_size=4).map(tuple),
)
INVITES = st.builds(
    invite.Invite,
    st.builds(
        "{}://{}{}".format,
        st.sampled_from(["https", "http"]),
        HOSTS,
        st.sampled_from(["", "/a", "/a/b"]),
    ),
    KEYS,
)

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
