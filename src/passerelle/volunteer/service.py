"""The volunteer: `start`, then `run` until it is told to stop, then `close`, which drains."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace

import aiohttp

from passerelle.core.speed import Speed, bytes_each_way
from passerelle.io.net.route import own_networks
from passerelle.io.net.stun import find_class
from passerelle.io.tasks import TaskSet
from passerelle.io.webrtc.chrome.process import ProcessEngine
from passerelle.volunteer.config import VolunteerConfig
from passerelle.volunteer.conversation import BrokerConversation, OfferReply
from passerelle.volunteer.network import NetworkSource
from passerelle.volunteer.ratetest import Rates, RateTest
from passerelle.volunteer.relay import Relay
from passerelle.volunteer.status import REACH, Status, StatusServer
from passerelle.volunteer.store import UsageStore
from passerelle.wire import family
from passerelle.wire.signalling import BrokerOffer, Demand, NatClass, RateTicket

LOOK_S = 30
"""Time between two looks at the clock, at whole half minutes."""
SLOW_S = 600.0
"""How long a machine that is too slow to help waits before it tests again."""
AGAIN_S = 3600.0
"""No test follows another sooner because the network has changed."""
_STUN_SERVERS = 2
_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

Observe = Callable[[Status], None]


def _ignore(_status: Status) -> None:
    pass


class Volunteer:
    """One volunteer's program."""

    def __init__(
        self, config: VolunteerConfig, engine: ProcessEngine, observe: Observe = _ignore
    ) -> None:
        """`engine` is closed with the volunteer. `observe` is called when the status changes."""
        self._config = config
        self._engine = engine
        self._observe = observe
        self._stack = AsyncExitStack()
        self._tasks = TaskSet("volunteer")
        self._is_online = False
        self._reason = "connecting"
        self._nat = NatClass.UNKNOWN
        self._country = ""
        self._demand: Demand | None = None
        self._test_bytes = 0
        """Bytes that a test may move each way; 0 for none."""
        self._wants_test = False
        self._tested_at = -math.inf
        """When the last test was wanted, in the loop's time."""
        self._networks = own_networks()
        self._rates: Rates | None = None
        self._since = time.monotonic()
        self._shown: tuple[str, str, int] | None = None
        self._store: UsageStore
        self._http: aiohttp.ClientSession
        self._relay: Relay
        self._conversation: BrokerConversation
        self._network: NetworkSource
        self._status_server = StatusServer(self.status)

    @property
    def metrics_port(self) -> int | None:
        """The port for Prometheus; None without one."""
        return self._status_server.metrics_port

    async def start(self) -> None:
        """Read the counts and open what tells the status. Raises LocalError."""
        config = self._config
        try:
            self._store = UsageStore(config.state)
            self._stack.callback(self._store.close)
            self._store.turn(config.now().date())
            self._stack.push_async_callback(self._engine.close)
            http = self._http = await self._stack.enter_async_context(_http(config))
            self._network = NetworkSource(config.invite, http)
            self._relay = Relay(
                config,
                network=self._network,
                engine=self._engine,
                http=http,
                store=self._store,
                changed=self._changed,
            )
            token, key = config.family, config.invite.operator_key
            tag = family.tag(token, key) if token else b""
            self._conversation = BrokerConversation(self._network, http, self, family=tag)
            if config.tests:
                self._test_bytes = bytes_each_way(config.day_bytes, config.month_bytes, config.mbit)
            self._want_test()
            await self._status_server.start(config.state, config.metrics_port)
            self._stack.push_async_callback(self._status_server.close)
            self._stack.push_async_callback(self._tasks.close)
        except BaseException:
            await self._stack.aclose()
            raise

    async def run(self) -> None:
        """Help until this is cancelled. Raises ConfigError when it cannot go on."""
        self._tasks.spawn(self._watch_clock(), "clock")
        await self._conversation.run()

    async def close(self) -> None:
        """Ask people to move on, end all links within two seconds, and write the counts down."""
        try:
            await self._relay.stop()
        finally:
            await self._stack.aclose()

    def status(self) -> Status:
        """Return what goes on."""
        usage, relay = self._store.usage, self._relay
        state, reason = self._state()
        now = time.monotonic()
        last = now if relay.people else relay.last_helped_at
        return Status(
            state=state,
            reason=reason,
            people=relay.people,
            places=self._config.people,
            helped=usage.helped,
            failed=usage.failed,
            day_bytes=usage.day_bytes,
            month_bytes=usage.month_bytes,
            total_bytes=usage.total_bytes,
            state_s=round(now - self._since, 1),
            last_helped_s=None if last is None else round(now - last, 1),
            nat=self._nat.value,
            reach=REACH[self._nat],
            demand="" if self._demand is None else self._demand.value,
            only_family=bool(self._config.family),
            country=self._country,
            speed="" if self._rates is None else self._rates.speed.value,
            down_mbit=None if self._rates is None else self._rates.down_mbit,
            up_mbit=None if self._rates is None else self._rates.up_mbit,
        )

    def _state(self) -> tuple[str, str]:
        pause = self._relay.pause
        if pause and (self._is_online or pause != "test"):
            return "paused", pause
        if not self._is_online:
            return "connecting", self._reason
        return ("helping" if self._relay.people else "waiting"), ""

    # --- BrokerEvents ---------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """See `BrokerEvents`."""
        return self._relay.free

    @property
    def is_idle(self) -> bool:
        """See `BrokerEvents`."""
        return self._relay.links == 0

    def offered(self, offer: BrokerOffer, reply: OfferReply) -> None:
        """See `BrokerEvents`."""
        self._relay.offered(offer, reply)

    def placed(self, country: str | None, *, caution: bool, test: RateTicket | None) -> None:
        """See `BrokerEvents`."""
        self._country = country or ""
        self._relay.waits_for_consent = caution and not self._config.confirmed
        # Any other pause means that nothing is to be moved now.
        if self._wants_test and self._relay.pause == "test":
            self._wants_test = False
            self._tasks.spawn(self._test(test), "test")

    def connected(self, *, is_online: bool, reason: str) -> None:
        """See `BrokerEvents`."""
        self._is_online = is_online
        self._reason = reason
        self._demand = None
        if is_online:
            self._tasks.spawn(self._find_nat(), "nat")
        self._changed()

    def demanded(self, demand: Demand | None) -> None:
        """See `BrokerEvents`."""
        self._demand = demand

    # --- inside ---------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._conversation.ready()
        shown = (*self._state(), self._relay.people)
        if shown != self._shown:
            if self._shown is None or shown[0] != self._shown[0]:
                self._since = time.monotonic()
            self._shown = shown
            self._observe(self.status())

    async def _watch_clock(self) -> None:
        while True:
            now = self._config.now()
            await asyncio.sleep(LOOK_S - (now.second + now.microsecond / 1e6) % LOOK_S)
            self._relay.look_at_clock()
            if self._has_moved():
                self._change_network()
            elif self._wants_test and self._relay.pause == "test":
                self._conversation.renew()

    def _has_moved(self) -> bool:
        """Return whether this machine is in another network than at the last look."""
        before, self._networks = self._networks, own_networks()
        # Without any way to the Internet nothing can be tried, and the next way may be the same.
        if not any(self._networks):
            self._networks = before
        return self._networks != before

    def _change_network(self) -> None:
        """Find out anew whom this machine can help, and how fast it is where that is due."""
        if asyncio.get_running_loop().time() >= self._tested_at + AGAIN_S:
            self._want_test()
        # The new conversation's beginning asks for the class of the NAT.
        self._conversation.renew()

    def _want_test(self) -> None:
        """Help nobody before a test, if there is to be one; the next welcome brings its ticket."""
        self._wants_test = self._test_bytes > 0
        self._tested_at = asyncio.get_running_loop().time()
        self._relay.holds_back = "test" if self._wants_test else ""

    async def _test(self, ticket: RateTicket | None) -> None:
        """Find out how fast this machine is, and help if that helps anybody."""
        descriptor = self._network.descriptor
        exit_entry = descriptor and ticket and descriptor.exit(ticket.exit)
        self._rates = None
        if ticket is not None and exit_entry:
            test = RateTest(self._http, self._test_bytes)
            try:
                self._rates = await test.run(exit_entry.url, ticket.ticket)
            finally:
                self._store.carry(test.moved_bytes)
        is_slow = self._rates is not None and self._rates.speed is Speed.SLOW
        self._relay.holds_back = "slow" if is_slow else ""
        self._changed()
        if is_slow:
            tested_at = self._tested_at
            await asyncio.sleep(SLOW_S)
            # Another network may have been tested meanwhile.
            if tested_at == self._tested_at:
                self._want_test()
                self._conversation.renew()

    async def _find_nat(self) -> None:
        descriptor = self._network.descriptor
        stun = descriptor.stun if descriptor is not None else ()
        if len(stun) >= _STUN_SERVERS:
            self._nat = await find_class(tuple(random.sample(stun, _STUN_SERVERS)))
            self._conversation.tell(self._nat)


def _http(config: VolunteerConfig) -> aiohttp.ClientSession:
    """Return what opens WebSockets: to where it was told only, as a browser does."""

    async def refuse(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        _redirect: aiohttp.TraceRequestRedirectParams,
    ) -> None:
        raise aiohttp.ClientError("a redirect")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, family=_FAMILIES[config.ip_version]),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        trust_env=False,
    )
