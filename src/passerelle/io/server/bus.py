"""Messages between the servers of one network, inside one process or over NATS.

`LocalBus` and `NatsBus` have the same methods. A small operator needs only one process; a larger
one names a NATS server. Messages are bytes and subjects are dotted words; `wire/bus.py` defines
both. The bus belongs to the operator, and nobody else should be able to reach it; what comes from
it is judged all the same, first by its length.

Nothing waits for a lost NATS server to come back. Until it does, published messages are lost and
requests get no answer. Subscriptions work again as soon as the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from passerelle import serverlimits
from passerelle.errors import ConfigError, LinkCode, LocalError, PeerError
from passerelle.io.server.faultlog import FaultLog
from passerelle.io.tasks import TaskSet, describe

RECONNECT_S = 0.5
"""The pause between two attempts to reach a NATS server that was lost."""
CONNECT_TIMEOUT_S = 5
GRACE_S = 1.0
"""How long closing waits until the last messages are sent."""

Handler = Callable[[bytes], Coroutine[Any, Any, bytes | None] | None]
"""A function that judges a message, at once, and returns the work that it makes, if any. If the
message is a request, the result of that work is the answer; None answers nothing. It raises
PeerError for a message that cannot be used, which then costs no task and no log line of its own."""

_FORBIDDEN = "permissions violation"
"""Words of NATS where its configuration forbids an account to send or to hear a subject."""

_log = logging.getLogger(__name__)


class Subscription(Protocol):
    """One handler's subscription to one subject."""

    async def end(self) -> None:
        """Stop receiving messages, and cancel handlers that still run. Idempotent."""


class Bus(Protocol):
    """Carries messages between the servers of one network."""

    def publish(self, subject: str, message: bytes) -> None:
        """Send a message to all subscribers, or lose it if the bus is away. Never blocks."""

    async def request(self, subject: str, message: bytes, *, timeout_s: float) -> bytes | None:
        """Send a request to one subscriber, and return its answer.

        Returns None when there is no subscriber, no answer within `timeout_s`, or one that is
        longer than `serverlimits.BUS_MESSAGE_BYTES`. Cancelling stops the wait; the subscriber is
        not told.
        """

    async def subscribe(self, subject: str, handler: Handler, *, group: str = "") -> Subscription:
        """Call `handler` for each message on `subject`.

        Of the subscriptions in one `group`, only one gets each message. At most
        `serverlimits.BUS_HANDLERS` handlers of one subscription run at once; further messages are
        dropped, as are those longer than `serverlimits.BUS_MESSAGE_BYTES`. A handler that fails
        answers nothing, and the log says now and then how many did.
        """

    async def close(self) -> None:
        """Leave the bus. Idempotent."""


async def connect(url: str | None, *, name: str) -> Bus:
    """Return the bus at `url`, or a bus inside this process if `url` is None.

    `url` is `nats://[user:password@]host:port`, or the same with `tls`. `name` is what NATS's own
    monitoring shows. Raises ConfigError for any other URL, and LocalError, with a message for the
    operator, when no server answers there.
    """
    if url is None:
        return LocalBus()
    if urlsplit(url).scheme not in ("nats", "tls") or not urlsplit(url).hostname:
        raise ConfigError(
            "--bus wants the address of a NATS server such as nats://127.0.0.1:4222. What it was "
            "given is not shown here, because it may hold a password."
        )
    return await NatsBus.connect(url, name=name)


def _bounded(answer: bytes) -> bytes | None:
    return answer if len(answer) <= serverlimits.BUS_MESSAGE_BYTES else None


class _Handlers:
    """Runs the handler of one subscription, a bounded number of times at once."""

    def __init__(self, subject: str, handler: Handler) -> None:
        self._subject = subject
        self._handler = handler
        self._tasks = TaskSet("bus", limit=serverlimits.BUS_HANDLERS)
        self._faults = FaultLog(_log)
        self._closed = False

    def take(self, message: bytes, answer: Callable[[bytes], Awaitable[None]] | None) -> bool:
        """Handle `message`; return False when too many handlers run already, or none may any more.

        `answer` sends the handler's result to whoever asked; None for a published message.
        """
        if self._closed or self._tasks.full:
            return False
        try:
            if len(message) > serverlimits.BUS_MESSAGE_BYTES:
                raise PeerError(LinkCode.LIMIT, "a message that is too long")
            work = self._handler(message)
        except Exception as error:
            self._failed(error)
            return True
        if work is not None:
            task = self._tasks.start(self._run(work, answer), "message")
            # A task that is cancelled before its first step never begins the work.
            task.add_done_callback(lambda _: work.close())
        return True

    async def _run(
        self,
        work: Coroutine[Any, Any, bytes | None],
        answer: Callable[[bytes], Awaitable[None]] | None,
    ) -> None:
        try:
            result = await work
            if answer is not None and result is not None:
                await answer(result)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        where = f"a message on {self._subject} could not be handled"
        if isinstance(error, PeerError):
            self._faults.warn("peer", f"{where}: {error}")
        else:
            self._faults.warn("own", f"{where}: {describe(error)}")

    async def close(self) -> None:
        self._closed = True
        await self._tasks.close()


class LocalBus:
    """A bus inside one process."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, list[_LocalSubscription]] = {}

    def publish(self, subject: str, message: bytes) -> None:
        """See `Bus.publish`."""
        chosen: dict[str, list[_LocalSubscription]] = {}
        for each in self._subscriptions.get(subject, ()):
            chosen.setdefault(each.group, []).append(each)
        for group, members in chosen.items():
            for member in [random.choice(members)] if group else members:  # noqa: S311 (load)
                member.handlers.take(message, None)

    async def request(self, subject: str, message: bytes, *, timeout_s: float) -> bytes | None:
        """See `Bus.request`."""
        members = self._subscriptions.get(subject)
        if not members:
            return None
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def answer(result: bytes) -> None:
            if not answered.done():
                answered.set_result(result)

        if not random.choice(members).handlers.take(message, answer):  # noqa: S311 (load)
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return _bounded(await answered)
        except TimeoutError:
            return None

    async def subscribe(self, subject: str, handler: Handler, *, group: str = "") -> Subscription:
        """See `Bus.subscribe`."""
        made = _LocalSubscription(self, subject, group, _Handlers(subject, handler))
        self._subscriptions.setdefault(subject, []).append(made)
        return made

    async def close(self) -> None:
        """See `Bus.close`."""
        for members in list(self._subscriptions.values()):
            for each in list(members):
                await each.end()

    def forget(self, subscription: _LocalSubscription) -> None:
        """Remove a subscription that has ended."""
        members = self._subscriptions.get(subscription.subject, [])
        if subscription in members:
            members.remove(subscription)
            if not members:
                del self._subscriptions[subscription.subject]


class _LocalSubscription:
    def __init__(self, bus: LocalBus, subject: str, group: str, handlers: _Handlers) -> None:
        self.subject = subject
        self.group = group
        self.handlers = handlers
        self._bus = bus

    async def end(self) -> None:
        self._bus.forget(self)
        await self.handlers.close()


class NatsBus:
    """A bus over NATS, which never gives up reconnecting."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._subscriptions: set[_NatsSubscription] = set()
        self._tasks = TaskSet("nats", limit=serverlimits.BUS_HANDLERS)
        self._faults = FaultLog(_log)

    @classmethod
    async def connect(cls, url: str, *, name: str) -> NatsBus:
        """Connect for the first time. Raises LocalError when no server answers."""
        client = Client()
        bus = cls(client)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.connect(
                    url,
                    name=name,
                    error_cb=bus._failed,
                    disconnected_cb=bus._disconnected,
                    reconnected_cb=bus._reconnected,
                    allow_reconnect=False,
                    connect_timeout=CONNECT_TIMEOUT_S,
                )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            parts = urlsplit(url)
            raise LocalError(
                f"No NATS server answers at {parts.hostname}:{parts.port or 4222} "
                f"({type(error).__name__}). Start one there (`nats-server`), or leave --bus out."
            ) from error
        # Set only now: otherwise the library would also retry the first connection for ever.
        client.options["allow_reconnect"] = True
        client.options["max_reconnect_attempts"] = -1
        client.options["reconnect_time_wait"] = RECONNECT_S
        return bus

    def publish(self, subject: str, message: bytes) -> None:
        """See `Bus.publish`."""
        if self._client.is_connected and not self._tasks.full:
            self._tasks.spawn(self._publish(subject, message), "publish")

    async def _publish(self, subject: str, message: bytes) -> None:
        try:
            await self._client.publish(subject, message)
        except (OSError, nats.errors.Error) as error:
            kind = type(error).__name__
            self._faults.warn(kind, f"a message did not reach the bus ({kind})")

    async def request(self, subject: str, message: bytes, *, timeout_s: float) -> bytes | None:
        """See `Bus.request`."""
        if not self._client.is_connected:
            return None
        try:
            answer = await self._client.request(subject, message, timeout=timeout_s)
        except (OSError, TimeoutError, nats.errors.Error):
            return None
        return _bounded(answer.data)

    async def subscribe(self, subject: str, handler: Handler, *, group: str = "") -> Subscription:
        """See `Bus.subscribe`. Raises LocalError when the bus is away."""
        handlers = _Handlers(subject, handler)

        async def take(message: Msg) -> None:
            handlers.take(message.data, message.respond if message.reply else None)

        try:
            inner = await self._client.subscribe(
                subject,
                group,
                cb=take,
                pending_msgs_limit=serverlimits.BUS_HANDLERS,
                pending_bytes_limit=serverlimits.BUS_WAITING_BYTES,
            )
        except (OSError, nats.errors.Error) as error:
            raise LocalError(
                f"The bus took no subscription ({type(error).__name__}). Is its NATS server there?"
            ) from error
        made = _NatsSubscription(inner, handlers)
        self._subscriptions.add(made)
        return made

    async def close(self) -> None:
        """See `Bus.close`."""
        for subscription in list(self._subscriptions):
            await subscription.end()
        self._subscriptions.clear()
        await self._tasks.close()
        if not self._client.is_closed:
            # A message that cannot be flushed is lost, as on any loss of the bus.
            with contextlib.suppress(OSError, TimeoutError, nats.errors.Error):
                async with asyncio.timeout(GRACE_S):
                    await self._client.flush()
            await self._client.close()

    async def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        if isinstance(error, nats.errors.Error) and _FORBIDDEN in str(error).lower():
            self._faults.warn("permissions", f"the NATS server refuses this account: {error}")
        else:
            self._faults.warn(kind, f"the bus reports a fault ({kind})")

    async def _disconnected(self) -> None:
        if not self._client.is_closed:
            _log.warning("the bus is away; looking for it")

    async def _reconnected(self) -> None:
        _log.info("the bus is back")


class _NatsSubscription:
    def __init__(self, inner: NatsSubscription, handlers: _Handlers) -> None:
        self._inner = inner
        self._handlers = handlers

    async def end(self) -> None:
        with contextlib.suppress(OSError, nats.errors.Error):  # it may have ended by itself
            await self._inner.unsubscribe()
        await self._handlers.close()
