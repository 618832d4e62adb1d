"""Open requests, judge them, and pass them on to the publisher's site.

A request is passed on only if it is sealed to a key of these two days, came for the first time,
brings a client ticket with something left of its quota, and names a host of the publisher's. Each
refusal is an answer that only its reader can read.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Protocol

from passerelle import limits
from passerelle.core.gateway.answer import AnswerWriter
from passerelle.core.gateway.freshness import OWN_PREFIX
from passerelle.core.origin import tagged
from passerelle.core.quota import Accounts
from passerelle.errors import PasserelleError, PeerError
from passerelle.exit.config import ExitConfig
from passerelle.exit.gateway import refusals
from passerelle.exit.gateway.counts import GatewayMetrics
from passerelle.exit.gateway.keys import DailyKeys, SeedSource
from passerelle.exit.gateway.once import Once
from passerelle.exit.gateway.recording import Recording
from passerelle.exit.gateway.refusals import Refusal, RequestRefused
from passerelle.exit.gateway.sharing import Shared
from passerelle.exit.gateway.site import SAFE_METHODS, Site, SiteAnswer, Target
from passerelle.exit.gateway.turns import Reader
from passerelle.io.net.dns import Resolver
from passerelle.io.server.metrics import Metrics
from passerelle.io.tasks import TaskSet
from passerelle.io.tunnel.fairturns import FairTurns
from passerelle.wire.binaryhttp import Fields, Request, decode_request
from passerelle.wire.gatewayframes import Reset
from passerelle.wire.oblivious import NONCE_BYTES, AnswerSealer, UnknownKeyError
from passerelle.wire.rendezvous import CONTENT_TYPE, SEALED_BYTES
from passerelle.wire.tickets import Ticket, TicketKind, verify
from passerelle.wire.ways import RENDEZVOUS_PATH

TICKET_FIELD: Final = OWN_PREFIX + b"ticket"
"""The field of a request that has the reader's client ticket."""
ONCE_FIELD: Final = b"idempotency-key"
BROKER_NAME: Final = "broker.invalid"
"""The name in a request that is for a broker: no DNS has it (RFC 6761 §6.4)."""

AskBroker = Callable[[bytes], Awaitable[bytes | None]]
"""Passes a sealed request for volunteers on, and returns the sealed reply; None for what no broker
can use.
"""
_REPLY_FIELDS: Final[Fields] = (
    (b"content-type", CONTENT_TYPE.encode()),
    (b"cache-control", b"no-store"),
)


class AnswerStopped(PasserelleError):
    """An answer goes no further: its reader has been told, or cannot be."""


class Reply(Protocol):
    """Takes one request's answer to its reader."""

    async def send(self, frame: bytes, reader: Reader | None) -> None:
        """Send a frame as soon as the reader has given credit for it, and it is the reader's turn.

        A refusal that comes before the reader is known counts for nobody. Raises AnswerStopped.
        """

    def reset(self, code: Reset) -> None:
        """Say that there is no answer, or no more of it."""


class Gateway:
    """The gateway of one exit in site mode. It must be made inside a running event loop."""

    def __init__(
        self,
        config: ExitConfig,
        source: SeedSource,
        *,
        accounts: Accounts,
        turns: FairTurns,
        resolver: Resolver,
        metrics: Metrics,
        ask_broker: AskBroker | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`accounts` and `turns` are those of the exit's sessions, too; `now_s` tells Unix time.

        Without `ask_broker` requests for a broker are refused, as those for a foreign name are.
        Raises ConfigError for a bad setting.
        """
        self._config = config
        self._now_s = now_s
        self._ask_broker = ask_broker
        self._began_s = now_s()
        self._accounts = accounts
        self._turns = turns
        self._busy: dict[bytes, Reader] = {}
        """Those who have requests under way, by their ticket's id."""
        self._tickets: OrderedDict[bytes, Ticket] = OrderedDict()
        """Tickets whose signature was found good, by their text's hash."""
        self._keys = DailyKeys(source, config.exit_id)
        self._tasks = TaskSet("gateway")
        self.settings = config.gateway
        self.counts = GatewayMetrics(metrics)
        self._site = Site(config.policy, resolver, self.settings)
        self._shared = Shared(self._site, self.settings, self._tasks, time.monotonic)
        self._once = Once(self._site, self.settings, self._tasks, time.monotonic)
        self.draining = False
        """Whether new requests are sent to another exit."""
        self._under_way = 0
        self._calm = asyncio.Event()
        """Set when no request is under way."""

    async def close(self) -> None:
        """Break off all requests to the site. Idempotent."""
        await self._tasks.close()
        await self._site.close()

    async def settle(self, longest_s: float) -> None:
        """Wait until no request is under way, for `longest_s` at most. Cancelling ends the wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while self._under_way:
                    self._calm.clear()
                    await self._calm.wait()

    def has_key_for(self, header: bytes) -> bool:
        """Whether a sealed request that begins with these 7 bytes may be sealed to this gateway."""
        return self._keys.has_key_for(header, self._now_s())

    async def answer(self, number: int, message: bytes, reply: Reply) -> None:
        """Answer one sealed request, called `number` on its link. Cancelling breaks it off."""
        self._under_way += 1
        try:
            with suppress(AnswerStopped):
                await self._answer(number, message, reply)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._calm.set()

    async def _answer(self, number: int, message: bytes, reply: Reply) -> None:
        try:
            opened = self._keys.open(message, self._now_s())
        except UnknownKeyError:
            reply.reset(Reset.KEY)
            return
        except PeerError:
            reply.reset(Reset.MALFORMED)
            return
        writer = AnswerWriter(number, AnswerSealer(opened, secrets.token_bytes(NONCE_BYTES)))
        answer = _Answer(writer, reply, self._tasks)
        try:
            request = self._read(opened.plaintext)
            ticket = self._ticket(request.fields)
            with self._place(ticket) as (reader, turn_s):
                if not self._keys.is_new(message, opened):
                    reply.reset(Reset.REPLAYED)
                    return
                answer.reader = reader
                answer.takes_trailers = (b"te", b"trailers") in request.fields
                answer.watch()
                if turn_s:
                    await asyncio.sleep(turn_s)
                try:
                    # A site that is too slow is given up before, and its reader told so.
                    longest_s = self.settings.exchange_s + self.settings.stalled_s
                    async with asyncio.timeout(longest_s):
                        await self._pass_on(request, ticket, answer)
                except RequestRefused as error:
                    await self._refuse(error.refusal, answer)
                except TimeoutError:
                    # A frame may have been lost here, so nothing can follow it.
                    reply.reset(Reset.BROKEN)
        except RequestRefused as error:
            await self._refuse(error.refusal, answer)
        finally:
            answer.close()

    async def _refuse(self, refusal: Refusal, answer: _Answer) -> None:
        if answer.has_begun:
            # Without trailers the end would say that the answer is complete.
            if refusal is not Refusal.REPEATED and answer.takes_trailers:
                await answer.end(refusals.CUT)
            else:
                answer.reply.reset(Reset.BROKEN)
            return
        self.counts.refusals.add(value=refusal.value)
        status, fields, content = refusals.answer(refusal)
        await answer.begin(status, fields)
        await answer.content(content)
        await answer.end()

    @staticmethod
    def _read(plaintext: bytes) -> Request:
        try:
            return decode_request(plaintext)
        except PeerError:
            raise RequestRefused(Refusal.MALFORMED) from None

    def _ticket(self, fields: Fields) -> Ticket:
        """Return the valid client ticket among a request's fields."""
        texts = [value for name, value in fields if name == TICKET_FIELD]
        if len(texts) != 1 or len(texts[0]) > limits.TICKET_BYTES:
            raise RequestRefused(Refusal.TICKET)
        digest = hashlib.sha256(texts[0]).digest()
        now_s = self._now_s()
        known = self._tickets.get(digest)
        if known is not None:
            if known.expires_s <= now_s:
                raise RequestRefused(Refusal.TICKET)
            return known
        try:
            ticket = verify(
                texts[0].decode("latin-1"),
                self._config.ticket_keys,
                kind=TicketKind.CLIENT,
                exit_id=self._config.exit_id,
                now_s=now_s,
            )
        except PeerError:
            raise RequestRefused(Refusal.TICKET) from None
        self._tickets[digest] = ticket
        if len(self._tickets) > limits.GATEWAY_TICKETS:
            self._tickets.popitem(last=False)
        return ticket

    @contextmanager
    def _place(self, ticket: Ticket) -> Iterator[tuple[Reader, float]]:
        """Count a request for its ticket; yield the reader, and the seconds until its turn."""
        now = time.monotonic()
        reader = self._busy.get(ticket.id)
        if reader is None:
            life_s = ticket.expires_s - self._now_s()
            origin = tagged(ticket.tags)
            try:
                account = self._accounts.open_session(ticket.id, life_s, now, origin)
            except PeerError:
                raise RequestRefused(Refusal.QUOTA) from None
            reader = self._busy[ticket.id] = Reader(account, self._turns)
        reader.requests += 1
        try:
            turn_s = reader.account.open_request(now)
            if turn_s is None:
                raise RequestRefused(Refusal.QUOTA)
            try:
                yield reader, turn_s
            finally:
                reader.account.close_stream()
        finally:
            reader.requests -= 1
            if not reader.requests:
                del self._busy[ticket.id]
                reader.close()
                self._accounts.close_session(reader.account)

    async def _introduce(self, request: Request, answer: _Answer) -> None:
        """Have a broker answer a reader who asks for volunteers, or for the next ticket.

        A page in whose network no broker is reached asks so by the links that it has. Through a
        door it would be somebody else's traffic.
        """
        sealed = request.content
        if self._ask_broker is None or request.path != RENDEZVOUS_PATH:
            raise RequestRefused(Refusal.NAME)
        if request.method != "POST" or len(sealed) > SEALED_BYTES:
            raise RequestRefused(Refusal.MALFORMED)
        reply = await self._ask_broker(sealed)
        if reply is None:
            raise RequestRefused(Refusal.MALFORMED)
        self.counts.answers.add(value="broker")
        await answer.begin(HTTPStatus.OK, _REPLY_FIELDS)
        await answer.content(reply)
        await answer.end()

    async def _pass_on(self, request: Request, ticket: Ticket, answer: _Answer) -> None:
        if request.authority == BROKER_NAME:
            await self._introduce(request, answer)
            return
        target = self._site.target(request)
        key = None
        if request.method not in SAFE_METHODS:
            self._check_clock(request.fields)
            key, request = _without_key(request)
        kept = self._shared.find(target, request)
        if kept is not None:
            self.counts.answers.add(value="shared")
            await answer.begin(kept.status, kept.aged(time.monotonic()))
            await answer.content(kept.content)
            await answer.end()
            return
        found: Recording | SiteAnswer
        if key is not None:
            found, is_own = await self._once.ask(
                ticket.id, _once_key(key, target, request), target, request
            )
            source = "site" if is_own else "repeated"
        else:
            found, is_own = await self._shared.ask(target, request)
            source = "site" if is_own else "shared"
        self.counts.answers.add(value=source)
        try:
            if request.method not in SAFE_METHODS:
                self._shared.changed(target, found.status)
            await answer.begin(found.status, found.fields)
            pieces: AsyncIterator[bytes]
            if isinstance(found, Recording):
                pieces = found.follow(owner=is_own)
            else:
                pieces = found.content()
            async for data in pieces:
                await answer.content(data)
            await answer.end()
        finally:
            if is_own:
                found.close()

    def _check_clock(self, fields: Fields) -> None:
        """Refuse a request that may be a repetition which nothing remembers any more.

        What came before the start is forgotten, and a volunteer may have kept it.
        """
        dates = [value for name, value in fields if name == b"date"]
        try:
            date_s = parsedate_to_datetime(dates[0].decode("latin-1")).timestamp()
        except (IndexError, TypeError, ValueError, OverflowError):
            raise RequestRefused(Refusal.CLOCK) from None
        # The field has whole seconds, so one from the second of the start is taken.
        is_early = date_s < int(self._began_s)
        if is_early or abs(date_s - self._now_s()) > limits.GATEWAY_CLOCK_SKEW_S:
            raise RequestRefused(Refusal.CLOCK)


class _Answer:
    """An answer on its way: sealed, and sent as the reader gives credit."""

    def __init__(self, writer: AnswerWriter, reply: Reply, tasks: TaskSet) -> None:
        self._writer = writer
        self.reply = reply
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        """Chunks are numbered, so they go out one after the other."""
        self._sent_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._telling: asyncio.Task[None] | None = None
        self.reader: Reader | None = None
        """Whoever its bytes count for, once that is known."""
        self.has_begun = False
        self.takes_trailers = False
        """Whether the reader understands the trailers of an answer that was cut off."""

    def watch(self) -> None:
        """Let the reader hear something again and again from now on, until `close`."""
        due_s = self._sent_s + limits.GATEWAY_SILENT_S
        self._timer = self._loop.call_at(due_s, self._look)

    def close(self) -> None:
        """Send nothing more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._telling is not None:
            self._telling.cancel()

    def _look(self) -> None:
        if self._loop.time() >= self._sent_s + limits.GATEWAY_SILENT_S:
            self._sent_s = self._loop.time()
            # What is being sent just now tells the reader as much, and waits for its credit.
            if not self._sending.locked() and not self._tasks.closed:
                self._telling = self._tasks.start(self._tell(), "silence")
        self.watch()

    async def _tell(self) -> None:
        with suppress(AnswerStopped):
            await self._send(self._writer.silence())

    async def begin(self, status: int, fields: Fields) -> None:
        self.has_begun = True
        await self._send(self._writer.head(status, fields))

    async def content(self, data: bytes) -> None:
        """Send bytes; none of them mean that what waits is sent."""
        await self._send(self._writer.content(data) if data else self._writer.flush())

    async def end(self, trailers: Fields = ()) -> None:
        await self._send(self._writer.end(trailers))

    async def _send(self, frames: Iterator[bytes]) -> None:
        async with self._sending:
            for frame in frames:
                await self.reply.send(frame, self.reader)
                self._sent_s = self._loop.time()


def _without_key(request: Request) -> tuple[bytes | None, Request]:
    """Return a reader's key of a request, and the request without it.

    A reader's page puts its key behind those that the site's own scripts may have set.
    """
    at = max((n for n, (name, _) in enumerate(request.fields) if name == ONCE_FIELD), default=None)
    if at is None:
        return None, request
    fields = (*request.fields[:at], *request.fields[at + 1 :])
    return request.fields[at][1], replace(request, fields=fields)


def _once_key(key: bytes, target: Target, request: Request) -> bytes:
    """Return what two requests have in common that are the same deed of the same reader.

    The ticket is no part of it: a reader who lost a volunteer has another one by then.
    """
    parts = (key, request.method.encode(), str(target).encode(), request.content)
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.digest()
