"""What stands between a link's sockets and aiortc: who may send, and what is answered.

aioice takes data from anybody, answers anybody, keeps a candidate, a pair and a task for every
port that a check comes from, and sends each of them eight packets. Here a datagram is judged first.

- Data passes only from an address (IP and port) that the volunteer named, or that is proven.
- A check must be authenticated. From an address that was named or is proven it is answered, and
  aioice learns of it once.
- A check from any other address is not answered. It draws one question, no larger than itself, and
  only few of them. Who answers that question receives at that address and has the volunteer's key,
  so the address is proven, and the check is taken like any other. So a volunteer behind a symmetric
  NAT, behind a carrier's NAT with several addresses, or with all its addresses hidden, is found one
  round trip later, and nobody else gets more than was sent in his name.
- Errors are not sent and not taken: RFC 8489 lets an agent be silent, and a browser asks again.

What is used of aioice's insides: `_protocols` has the sockets, `_queue` what DTLS has not taken.
`request_received` is replaced; `check_incoming` and `_early_checks` take what it would pass on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from dataclasses import dataclass
from typing import NamedTuple

from passerelle import limits
from passerelle.core.address.candidates import usable
from passerelle.core.bucket import Bucket
from passerelle.io.webrtc.allowance import Allowance
from passerelle.io.webrtc.ortc import IceConnection, StunProtocol, stun
from passerelle.wire.description import Candidate, CandidateKind, Description

Address = tuple[str, int]

_STUN_BELOW = 4
"""First bytes of STUN; the others that occur are DTLS's and SRTP's (RFC 7983 §7)."""
_REQUEST, _SUCCESS = b"\x00\x01", b"\x01\x01"
"""Types of a binding request and its answer (RFC 8489 §5)."""
_TRANSACTION = slice(8, 20)
_QUESTION_WAIT_S = 0.25
"""Time after which an address that has not answered a question may be asked again."""
_REFLEXIVE_PRIORITY = (110 << 24) + (65_535 << 8) + 255
"""Priority of a peer-reflexive candidate (RFC 8445 §5.1.2.1)."""


class _Check(NamedTuple):
    """An authenticated check."""

    message: stun.Message
    size: int
    address: Address
    socket: StunProtocol


@dataclass(slots=True)
class _Stranger:
    """An address that nobody named and that checks came from."""

    questions: int = 0
    ask_again_s: float = 0.0


class IceGuard:
    """Judges what arrives at the sockets of one link."""

    def __init__(self, connection: IceConnection, allowance: Allowance, *, private: bool) -> None:
        """`private` is as in `core.address.candidates`."""
        self._connection = connection
        self._allowance = allowance
        self._private = private
        self._own_key = connection.local_password.encode()
        self._own_name = f"{connection.local_username}:"
        self._peer_name = ""
        self._peer_key = b""
        self._open = False
        """Whether the volunteer's answer is known."""
        self._over = False
        self._sources: set[Address] = set()
        """The addresses that the volunteer named, and those that are proven."""
        self._strangers: dict[Address, _Stranger] = {}
        self._questions: dict[bytes, _Check] = {}
        """By transaction the checks that drew a question."""
        self._early: dict[Address, _Check] = {}
        """The first check from each address, until the volunteer's answer is known."""
        self._told: set[tuple[Address, int]] = set()
        """The addresses that aioice was told of, with the socket."""
        now = time.monotonic()
        self._checks = Bucket(limits.LINK_CHECKS_PER_S, limits.LINK_CHECKS, now)
        self._strange_checks = Bucket(limits.LINK_CHECKS_PER_S, limits.LINK_CHECKS, now)

    def watch(self) -> None:
        """Stand before all sockets that are open. What aioice holds from before is dropped."""
        for socket in self._connection._protocols:
            socket.transport.set_protocol(_GuardedSocket(self, socket))
        while not self._connection._queue.empty():
            self._connection._queue.get_nowait()
        self._connection._early_checks.clear()

    def admit(self, answer: Description) -> None:
        """Take checks and data from the volunteer that gave `answer`, which is vetted."""
        self._peer_name = answer.ufrag
        self._peer_key = answer.pwd.encode()
        self._sources.update((candidate.ip, candidate.port) for candidate in answer.candidates)
        self._open = True
        early, self._early = self._early, {}
        for check in early.values():
            self._take(check)

    def close(self) -> None:
        """Take nothing more. Idempotent."""
        self._over = True

    def received(self, data: bytes, address: Address, socket: StunProtocol) -> None:
        """Take one datagram from one of the sockets."""
        if self._over or self._allowance.spent or not 0 < len(data) <= limits.LINK_PACKET_BYTES:
            return
        if data[0] < _STUN_BELOW:
            self._stun_received(data, address, socket)
        elif address in self._sources and self._connection._queue.qsize() < limits.LINK_PACKETS:
            self._connection.data_received(data, socket.local_candidate.component)

    def _stun_received(self, data: bytes, address: Address, socket: StunProtocol) -> None:
        known = address in self._sources
        start_s = self._allowance.start()
        # An odd message may provoke any exception in aioice.
        with contextlib.suppress(Exception):
            if data[:2] == _REQUEST:
                self._request_received(data, address, socket, known=known)
            elif data[:2] == _SUCCESS and data[_TRANSACTION] in self._questions:
                self._question_answered(stun.parse_message(data), address, socket)
            elif data[:2] == _SUCCESS and data[_TRANSACTION] in socket.transactions:
                socket.datagram_received(data, address)
        if known:
            # A stranger's packets are no fault of the volunteer's.
            self._allowance.charge(start_s)

    def _request_received(
        self, data: bytes, address: Address, socket: StunProtocol, *, known: bool
    ) -> None:
        if self._own_name.encode() not in data:
            return
        bucket = self._checks if known else self._strange_checks
        if not bucket.take(time.monotonic()):
            return
        message = stun.parse_message(data)
        # What each check has (RFC 8445 §7.1): who asks, in which role, and a signature.
        attributes = message.attributes
        if (
            {"USERNAME", "PRIORITY", "ICE-CONTROLLED"} <= attributes.keys()
            and attributes["USERNAME"].startswith(self._own_name)
            and message.check_message_integrity(self._own_key)
        ):
            self._take(_Check(message, len(data), address, socket))

    def _take(self, check: _Check) -> None:
        """Take an authenticated check."""
        if not self._open:
            if len(self._early) < limits.LINK_ADDRESSES:
                self._early.setdefault(check.address, check)
            return
        name = check.message.attributes["USERNAME"]
        if not hmac.compare_digest(name.encode(), (self._own_name + self._peer_name).encode()):
            return
        if check.address in self._sources:
            self._answer(check)
        else:
            self._ask(check)

    def _answer(self, check: _Check) -> None:
        response = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=check.message.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = check.address
        response.add_message_integrity(self._own_key)
        check.socket.send_stun(response, check.address)
        told = check.address, check.socket.id
        if told in self._told:
            return
        self._told.add(told)
        connection = self._connection
        if connection._early_checks_done:
            connection.check_incoming(check.message, check.address, check.socket)
        else:
            connection._early_checks.append((check.message, check.address, check.socket))

    # --- strangers ------------------------------------------------------------------------------

    def _ask(self, check: _Check) -> None:
        """Ask who sent a check whether he receives there."""
        address = Candidate(CandidateKind.REFLEXIVE, *check.address)
        if not usable(address, private=self._private):
            return
        stranger = self._strangers.get(check.address)
        if stranger is None:
            if len(self._strangers) >= limits.LINK_ADDRESSES:
                return
            stranger = self._strangers[check.address] = _Stranger()
        now = time.monotonic()
        if stranger.questions >= limits.STRANGER_QUESTIONS or now < stranger.ask_again_s:
            return
        question = self._question()
        if len(bytes(question)) > check.size:
            return
        stranger.questions += 1
        stranger.ask_again_s = now + _QUESTION_WAIT_S
        self._questions[question.transaction_id] = check
        check.socket.send_stun(question, check.address)

    def _question(self) -> stun.Message:
        """Return a check that does not nominate: it is as large as the smallest of a browser."""
        question = stun.Message(
            message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST
        )
        question.attributes["USERNAME"] = f"{self._peer_name}:{self._own_name[:-1]}"
        question.attributes["PRIORITY"] = _REFLEXIVE_PRIORITY
        question.attributes["ICE-CONTROLLING"] = self._connection._tie_breaker
        question.add_message_integrity(self._peer_key)
        return question

    def _question_answered(
        self, message: stun.Message, address: Address, socket: StunProtocol
    ) -> None:
        check = self._questions[message.transaction_id]
        if (address, socket) != (check.address, check.socket):
            return
        if message.check_message_integrity(self._peer_key):
            del self._questions[message.transaction_id]
            self._sources.add(address)
            self._answer(check)


class _GuardedSocket(asyncio.DatagramProtocol):
    """Has a guard judge what arrives at one of aioice's sockets."""

    def __init__(self, guard: IceGuard, socket: StunProtocol) -> None:
        self._guard = guard
        self._socket = socket

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._guard.received(data, (str(addr[0]), int(addr[1])), self._socket)

    def connection_lost(self, exc: Exception | None) -> None:
        self._socket.connection_lost(exc)
