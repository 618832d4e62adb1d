"""A network's brokers: all ways to all of them, and the descriptor that lists them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from passerelle import limits
from passerelle.client.config import ClientConfig
from passerelle.client.friend import FriendMethod
from passerelle.client.methods import method_for
from passerelle.client.rendezvous import BrokerSilent, RendezvousMethod, ask
from passerelle.client.state import ClientState
from passerelle.core.backoff import Backoff
from passerelle.core.way_ranking import WayRanking
from passerelle.errors import ConfigError
from passerelle.io.net.disguise import Disguise
from passerelle.io.tasks import AllFailed, staggered
from passerelle.wire import descriptor, doors, family
from passerelle.wire.description import Description
from passerelle.wire.descriptor import Descriptor
from passerelle.wire.rendezvous import Refusal, RendezvousReply
from passerelle.wire.signalling import NatClass
from passerelle.wire.ways import NETWORK_PATH, DirectWay, DoorWay, Way

T = TypeVar("T")

FAILURES_TO_RELOAD: Final = 3
"""After so many failed requests in a row, brokers may have moved: the descriptor is due again."""
_RELOAD_RETRY_S: Final = (5.0, 300.0)
"""First and longest pause between attempts to fetch a descriptor that is due."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way to one broker."""

    key: str
    """Names the route in the ranking, and in the file that outlives a run."""
    method: RendezvousMethod
    seal_key: bytes = b""
    """X25519 public key of the broker; empty where only the descriptor is fetched by the route."""
    is_door: bool = False
    """Whether it leads through somebody else's web server, whose owner pays for the traffic."""


class Brokers:
    """Fetches the descriptor and keeps it fresh, and asks whichever broker can be reached.

    An async context manager: leaving closes all connections.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._invite = config.invite
        token, key = self._invite.family, self._invite.operator_key
        # A friend who carries texts is the only volunteer, of whatever family.
        self._family = family.tag(token, key) if token and config.friend is None else b""
        self._friend = config.friend and FriendMethod(config.friend)
        self._disguise = Disguise(config.request_timeout_s)
        self._state = ClientState(config.invite.operator_key, config.state)
        self._ranking = WayRanking()
        self._descriptor: Descriptor | None = None
        self._routes: list[Route] = []
        """Routes to the brokers that the descriptor names."""
        self._fetched_s = 0.0
        """Unix time at which the descriptor was last fetched in this run."""
        self._failures = 0
        """Requests in a row that no broker answered."""
        self.asked_by_door = False
        """Whether the last request that a broker answered went through a door."""
        self._reload_wanted = asyncio.Event()
        """Set when the descriptor may be out of date."""

    async def __aenter__(self) -> Self:
        """Read what earlier runs remembered.

        Raises ConfigError when a given descriptor cannot be used, and when none is at hand where
        a friend is the only way.
        """
        self._state.load()
        self._ranking = WayRanking(self._state.ways)
        if self._config.network:
            self._accept(self._config.network)
        elif self._state.document:
            # A remembered descriptor that cannot be used any more is fetched anew.
            with contextlib.suppress(ConfigError):
                self._accept(self._state.document)
        if self._friend is not None and self._descriptor is None:
            raise ConfigError(
                "The network's description is not on this computer yet. Ask your friend for the "
                "file behind the link on the friend's page, and name it with --network."
            )
        await self._disguise.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._disguise.__aexit__(kind, error, trace)

    @property
    def descriptor(self) -> Descriptor | None:
        """The newest verified descriptor, if there is one; it may have expired since."""
        return self._descriptor

    @property
    def network(self) -> Descriptor:
        """The newest verified descriptor, for those who work once `load` has returned."""
        assert self._descriptor is not None  # `load` has returned
        return self._descriptor

    def link_doors(self, exit_id: str) -> list[str]:
        """Return where doors take links to an exit, the best first.

        A door by which requests went well comes before those that failed, as their server is the
        same.
        """
        broker = self.network.brokers[0].url
        urls = [door.url for door in self.network.doors if door.links]
        keys = {_key(broker, DoorWay(url)): url for url in _shuffled(urls)}
        order = self._ranking.order(list(keys), time.time())
        return [doors.link_url(keys[key], exit_id) for key in order]

    async def forget_connections(self) -> None:
        """See `Disguise.forget_connections`."""
        await self._disguise.forget_connections()

    async def load(self) -> Descriptor:
        """Return the descriptor at hand, or fetch one.

        Raises BrokerSilent when no way leads to one, ConfigError when what came is not what the
        invite promises.
        """
        if self._descriptor is None:
            await self.reload()
        return self.network

    async def reload(self) -> None:
        """Fetch the descriptor, by whichever way brings a good one first. Raises as `load` does."""
        routes = {route.key: route for route in (*self._routes, *self._invite_routes())}

        async def fetch(route: Route) -> None:
            start = time.monotonic()
            document = await route.method.document()
            if document.lstrip().startswith(b"<"):
                # Unlike a document that another operator signed, this is no reason to give up.
                raise BrokerSilent("something else answered in its place, such as a block page")
            self._accept(document)
            self._ranking.succeeded(route.key, time.monotonic() - start)

        await self._try_routes(list(routes.values()), fetch, self._ranking.patience_s)
        self._fetched_s = time.time()

    async def keep_fresh(self) -> None:
        """Reload the descriptor before it expires, and after repeated failures.

        Returns only where a friend is the only way, because then no network may be used.
        """
        if self._friend is not None:
            return
        backoff = Backoff(*_RELOAD_RETRY_S)
        failed = False
        while True:
            wait_s = backoff.next_s(random.random()) if failed else self._reload_due_s()  # noqa: S311
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._reload_wanted.wait()
            self._reload_wanted.clear()
            if failed or self._failures >= FAILURES_TO_RELOAD or self._reload_due_s() <= 0:
                self._failures = 0
                try:
                    await self.reload()
                except (BrokerSilent, ConfigError):
                    failed = True
                else:
                    failed = False
                    backoff.reset()

    async def ask(
        self,
        offers: tuple[Description, ...],
        *,
        exit_id: str | None,
        avoid: tuple[bytes, ...],
        lanes: int,
        nat: NatClass = NatClass.UNKNOWN,
        failed: tuple[bytes, ...] = (),
    ) -> RendezvousReply:
        """Ask for volunteers, by one way after the other until a broker answers.

        `offers`, `exit_id`, `lanes` and `nat` are told to the broker as they are. `avoid` names
        volunteers that are not wanted, `failed` those through which no link came about. Each try is
        a request of its own, so that none is a replay of another. Raises BrokerSilent, and
        ConfigError when this version is no longer spoken. Cancelling gives up.
        """
        if time.time() > self.network.expires_s:
            self._failures = FAILURES_TO_RELOAD
            self._reload_wanted.set()
            raise BrokerSilent("the network's description has expired, and no new one came")
        if self._friend is not None:
            avoid = failed = ()  # the friend is the only volunteer
        busy: list[RendezvousReply] = []

        async def try_route(route: Route) -> RendezvousReply:
            reply = await ask(
                route.method,
                route.seal_key,
                offers,
                exit_id=exit_id,
                avoid=avoid,
                lanes=lanes,
                nat=nat,
                failed=failed,
                token=self._config.token,
                family=self._family,
            )
            self._ranking.worked(route.key)
            self.asked_by_door = route.is_door
            if reply.refusal is Refusal.BUSY:
                busy.append(reply)
                raise _Busy("the broker is busy")
            return reply

        try:
            reply = await self._try_routes(
                self._routes, try_route, lambda _: self._config.answer_patience_s
            )
        except BrokerSilent:
            if busy:
                return busy[0]
            self._failures += 1
            if self._failures >= FAILURES_TO_RELOAD:
                self._reload_wanted.set()
            raise
        self._failures = 0
        return reply

    async def _try_routes(
        self,
        routes: Sequence[Route],
        work: Callable[[Route], Awaitable[T]],
        patience_s: Callable[[str], float],
    ) -> T:
        """Do `work` by the best route, and by the next where it fails or takes too long.

        `patience_s` tells how long the route with a key may take before the next is tried beside
        it. Raises ConfigError or BrokerSilent when no route leads anywhere.
        """
        by_key = {route.key: route for route in routes}
        running: list[str] = []
        """Keys of the routes that were tried and have not failed, in that order."""

        async def attempt(route: Route) -> T:
            running.append(route.key)
            try:
                result = await work(route)
            except _Busy:
                raise
            except (BrokerSilent, ConfigError):
                running.remove(route.key)
                self._ranking.failed(route.key, time.time())
                raise
            # Routes that began earlier and have not answered count as failed.
            for slower in running[: running.index(route.key)]:
                self._ranking.failed(slower, time.time())
            return result

        order = self._ranking.order(list(by_key), time.time())
        try:
            return await staggered((attempt(by_key[key]), patience_s(key)) for key in order)
        except AllFailed as failed:
            raise _error_to_tell(failed) from None
        finally:
            self._save_state()

    def _accept(self, document: bytes) -> None:
        """Verify a document and use its descriptor, unless the one at hand is at least as new.

        Raises ConfigError.
        """
        found = descriptor.verify(document, self._invite.operator_key, now_s=time.time())
        if self._descriptor is not None and found.issued_s <= self._descriptor.issued_s:
            return
        self._descriptor = found
        self._state.document = document
        self._routes = list(self._routes_of(found))[: limits.RANKED_WAYS]

    def _routes_of(self, found: Descriptor) -> Iterable[Route]:
        """Yield the routes: all brokers' first ways, their second ones, and so on, then doors."""
        if self._friend is not None:
            # The friend's page may talk to any broker; the first one listed is the network's own.
            yield Route("friend", self._friend, found.brokers[0].seal_key)
            return
        # A random order lets several brokers share the load.
        brokers = _shuffled(found.brokers)
        for place in range(limits.WAYS):
            for broker in brokers:
                for way in broker.known_ways[place : place + 1]:
                    yield self._route(broker.url, way, broker.seal_key)
        main = found.brokers[0]
        for door in _shuffled(found.doors):
            yield self._route(main.url, DoorWay(door.url), main.seal_key)

    def _invite_routes(self) -> list[Route]:
        return [self._route(self._invite.url, way) for way in (DirectWay(), *self._invite.ways)]

    def _route(self, url: str, way: Way, seal_key: bytes = b"") -> Route:
        method = method_for(way, url, self._disguise)
        return Route(_key(url, way), method, seal_key, is_door=isinstance(way, DoorWay))

    def _reload_due_s(self) -> float:
        """Return in how many seconds the descriptor is due to be fetched again, at most 60.

        It is due at half its life, and `reload_pause_s` after the last time at the earliest.
        """
        half_s = (self.network.issued_s + self.network.expires_s) / 2
        due_s = max(half_s, self._fetched_s + self._config.reload_pause_s)
        return min(60.0, due_s - time.time())

    def _save_state(self) -> None:
        routes = (*self._routes, *self._invite_routes())
        ways = self._ranking.records(route.key for route in routes)
        if ways != self._state.ways or self._state.document != self._state.saved_document:
            self._state.ways = ways
            self._state.save()


def _key(url: str, way: Way) -> str:
    """Return the key of the route by `way` to the broker at `url`."""
    target = way.target(url, NETWORK_PATH)
    digest = hashlib.sha256(f"{target.url} {target.host}".encode()).hexdigest()[:8]
    kind = str(way).partition("=")[0]
    return f"{kind}-{digest}"


def _shuffled(items: Sequence[T]) -> list[T]:
    return secrets.SystemRandom().sample(items, len(items))


class _Busy(BrokerSilent):
    """A broker answered that it is busy."""


def _error_to_tell(failed: AllFailed) -> BrokerSilent | ConfigError:
    """Return the error to raise: the first that a person can put right, or else the last one."""
    for error in failed.errors:
        if isinstance(error, ConfigError):
            return error
    last = failed.errors[-1] if failed.errors else None
    return last if isinstance(last, BrokerSilent) else BrokerSilent("there is no way to a broker")
