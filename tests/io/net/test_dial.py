from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from passerelle.core.address.classes import AddressClass
from passerelle.core.address.host import IPAddress
from passerelle.core.address.policy import ConnectionPolicy, DestinationRefused, HostRule, PortRule
from passerelle.errors import Failure, StreamFailed
from passerelle.io.net.dial import OWN_CACHE_S, STAGGER_S, OwnAddresses, dial, is_own

LOOPBACK = ConnectionPolicy(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")), ports=None)
PUBLIC = ConnectionPolicy(ports=None)


def answering(*texts: str) -> Callable[[str], Awaitable[Sequence[IPAddress]]]:
    """Return a resolver that gives the same answer for every name."""

    async def resolve(name: str) -> Sequence[IPAddress]:
        return [ip_address(text) for text in texts]

    return resolve


async def unused(name: str) -> Sequence[IPAddress]:
    raise AssertionError("nothing was to be resolved")


@asynccontextmanager
async def listening(*hosts: str, port: int = 0) -> AsyncIterator[tuple[int, asyncio.Queue[str]]]:
    """Listen on one port of each host; yield the port, and a queue of hosts as they are reached."""
    accepted: asyncio.Queue[str] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("sockname")[0])
        writer.close()

    async with AsyncExitStack() as servers:
        for host in hosts:
            server = await asyncio.start_server(accept, host, port)
            await servers.enter_async_context(server)
            port = server.sockets[0].getsockname()[1]
        yield port, accepted


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """Yield an address that drops SYNs: a listener that never accepts, with a full backlog."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(2):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def failure_of(dialling: Awaitable[socket.socket]) -> Failure:
    with pytest.raises(StreamFailed) as caught:
        (await dialling).close()
    return caught.value.failure


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1.", "::1", "[::1]"])
async def test_literal(host: str) -> None:
    """A literal is dialled without a resolver; the socket is connected, without Nagle's delay."""
    async with listening("127.0.0.1", "::1") as (port, accepted):
        connected = await dial(host, port, policy=LOOPBACK, resolve=unused)
        with connected:
            assert connected.getpeername()[1] == port
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not connected.getblocking()
            assert await accepted.get() in {"127.0.0.1", "::1"}


async def test_name() -> None:
    """A name is dialled at the address that it resolves to."""
    async with listening("127.0.0.1") as (port, accepted):
        resolve = answering("127.0.0.1")
        with await dial("site.example", port, policy=LOOPBACK, resolve=resolve):
            assert await accepted.get() == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::1%lo]", "a..b", "", "a b", "127.1."]
)
async def test_odd_literals_are_not_dialled(host: str) -> None:
    """A text that the system might take for an address is neither resolved nor dialled."""
    async with listening("127.0.0.1") as (port, accepted):
        dialling = dial(host, port, policy=LOOPBACK, resolve=unused)
        assert await failure_of(dialling) is Failure.DNS
        assert accepted.empty()


@pytest.mark.parametrize(
    ("host", "denial"),
    [
        ("127.0.0.1", AddressClass.LOOPBACK),
        ("[::ffff:127.0.0.1]", AddressClass.MAPPED),
        ("::127.0.0.1", AddressClass.COMPATIBLE),
        ("64:ff9b::7f00:1", AddressClass.TRANSLATED),
        ("0.0.0.0", AddressClass.UNSPECIFIED),
        ("169.254.169.254", AddressClass.METADATA),
    ],
)
async def test_refused_literal(host: str, denial: AddressClass) -> None:
    """An address that is not public is refused, not dialled; the reason stays with the exit."""
    async with listening("127.0.0.1") as (port, accepted):
        with pytest.raises(DestinationRefused) as caught:
            await dial(host, port, policy=PUBLIC, resolve=unused)
        assert (caught.value.failure, caught.value.denial) == (Failure.POLICY, denial)
        assert accepted.empty()


async def test_refused_after_resolution() -> None:
    """A name is refused if all its addresses are denied."""
    async with listening("127.0.0.1", "::1") as (port, accepted):
        resolve = answering("127.0.0.1", "::ffff:127.0.0.1", "::1")
        with pytest.raises(DestinationRefused) as caught:
            await dial("site.example", port, policy=PUBLIC, resolve=resolve)
        assert caught.value.denial is AddressClass.LOOPBACK
        assert accepted.empty()


async def test_only_judged_addresses_are_dialled() -> None:
    """If only some addresses are allowed, only those are dialled, even if they fail."""
    policy = ConnectionPolicy(allow=(ip_network("127.0.0.2/32"),), ports=None)
    async with listening("127.0.0.1", "::1") as (port, accepted):
        resolve = answering("127.0.0.2", "127.0.0.1", "::1", "::ffff:127.0.0.1")
        dialling = dial("site.example", port, policy=policy, resolve=resolve)
        assert await failure_of(dialling) is Failure.PORT_CLOSED
        assert accepted.empty()


async def test_changing_answer() -> None:
    """A name is resolved once, so a second answer with another address is never used."""
    answers = [[ip_address("127.0.0.2")], [ip_address("127.0.0.1")]]

    async def resolve(name: str) -> Sequence[IPAddress]:
        return answers.pop(0)

    policy = ConnectionPolicy(allow=(ip_network("127.0.0.2/32"),), ports=None)
    async with listening("127.0.0.1") as (port, accepted):
        dialling = dial("site.example", port, policy=policy, resolve=resolve)
        assert await failure_of(dialling) is Failure.PORT_CLOSED
        assert accepted.empty()
    assert len(answers) == 1


async def test_refused_port_is_not_resolved() -> None:
    """A denied port costs no look-up."""
    with pytest.raises(DestinationRefused) as caught:
        await dial("site.example", 25, policy=LOOPBACK, resolve=unused)
    assert caught.value.denial is PortRule.NEVER


async def test_dead_address_costs_one_stagger(silent: tuple[str, int]) -> None:
    """While the first address is silent, the next is tried after 250 ms."""
    host, port = silent
    async with listening("127.0.0.1", port=port):
        started = asyncio.get_running_loop().time()
        resolve = answering(host, "127.0.0.1")
        with await dial("site.example", port, policy=LOOPBACK, resolve=resolve) as connected:
            assert connected.getpeername()[0] == "127.0.0.1"
        assert STAGGER_S * 0.9 <= asyncio.get_running_loop().time() - started < 10 * STAGGER_S


async def test_families_alternate(silent: tuple[str, int]) -> None:
    """The second attempt goes to the other address family, before more addresses of the first."""
    host, port = silent
    async with listening("::1", "127.0.0.3", port=port) as (_, accepted):
        resolve = answering(host, "127.0.0.3", "::1")
        with await dial("site.example", port, policy=LOOPBACK, resolve=resolve):
            assert await accepted.get() == "::1"


async def test_failed_address_gives_way_at_once() -> None:
    """After an address that refuses, the next one is tried at once."""
    async with listening("127.0.0.1") as (port, accepted):
        started = asyncio.get_running_loop().time()
        resolve = answering("127.0.0.9", "127.0.0.1")
        with await dial("site.example", port, policy=LOOPBACK, resolve=resolve):
            assert await accepted.get() == "127.0.0.1"
        assert asyncio.get_running_loop().time() - started < STAGGER_S


async def test_number_of_addresses_is_bounded() -> None:
    """Of a very long answer only a few addresses are tried, some of each family."""
    async with listening("127.0.1.1") as (port, accepted):
        many = [f"127.0.0.{last}" for last in range(1, 200)]
        resolve = answering(*many, "127.0.1.1")
        dialling = dial("site.example", port, policy=LOOPBACK, resolve=resolve)
        assert await failure_of(dialling) is Failure.PORT_CLOSED
        assert accepted.empty()
    async with listening("::1") as (port, accepted):
        with await dial("x.example", port, policy=LOOPBACK, resolve=answering(*many, "::1")):
            assert await accepted.get() == "::1"


@pytest.mark.parametrize("others", [[], ["::1"], ["2001:db8::1"]])
async def test_port_closed(others: list[str]) -> None:
    """A closed port is reported as such, even if another address fails in another way."""
    policy = ConnectionPolicy(allow=(*LOOPBACK.allow, ip_network("2001:db8::/32")), ports=None)
    resolve = answering(*others, "127.0.0.1")
    dialling = dial("site.example", free_port(), policy=policy, resolve=resolve, timeout_s=5)
    assert await failure_of(dialling) is Failure.PORT_CLOSED


async def test_unreachable() -> None:
    """An address without a route (here: a broadcast address) is reported as unreachable."""
    policy = ConnectionPolicy(allow=(ip_network("255.255.255.255/32"),), ports=None)
    dialling = dial("255.255.255.255", 80, policy=policy, resolve=unused)
    assert await failure_of(dialling) is Failure.UNREACHABLE


async def test_no_address() -> None:
    """An answer without addresses and a resolver's failure are both reported as DNS."""

    async def failing(name: str) -> Sequence[IPAddress]:
        raise StreamFailed(Failure.DNS)

    for resolve in (answering(), failing):
        dialling = dial("site.example", 80, policy=LOOPBACK, resolve=resolve)
        assert await failure_of(dialling) is Failure.DNS


async def test_timeout_of_connecting(silent: tuple[str, int]) -> None:
    """A silent site fails in time, and no socket stays open (a leak would raise a warning)."""
    host, port = silent
    for resolve in (answering(host), answering(host, host)):
        dialling = dial("site.example", port, policy=LOOPBACK, resolve=resolve, timeout_s=0.3)
        assert await failure_of(dialling) is Failure.TIMEOUT


async def test_timeout_of_resolving() -> None:
    """A silent resolver fails in time, too."""

    async def resolve(name: str) -> Sequence[IPAddress]:
        await asyncio.Event().wait()
        raise AssertionError

    dialling = dial("site.example", 80, policy=LOOPBACK, resolve=resolve, timeout_s=0.01)
    assert await failure_of(dialling) is Failure.TIMEOUT


async def test_cancelling_closes(silent: tuple[str, int]) -> None:
    """Cancelling ends the attempts and closes their sockets."""
    host, port = silent
    before = open_sockets()
    async with asyncio.TaskGroup() as group:
        resolve = answering(host, host)
        dialling = group.create_task(dial("site.example", port, policy=LOOPBACK, resolve=resolve))
        await asyncio.wait([dialling], timeout=2 * STAGGER_S)
        assert open_sockets() == before + 2, "both attempts are under way"
        dialling.cancel()
    assert dialling.cancelled()
    assert open_sockets() == before


def open_sockets() -> int:
    return sum(1 for entry in Path("/proc/self/fd").iterdir() if is_socket(entry))


def is_socket(entry: Path) -> bool:
    try:
        return str(entry.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False


async def test_no_more_files() -> None:
    """A machine without free file descriptors reports LIMIT, not a fault of the site."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        dialling = dial("127.0.0.1", 80, policy=LOOPBACK, resolve=unused)
        assert await failure_of(dialling) is Failure.LIMIT
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_own_addresses_are_recognised(address: str) -> None:
    """Addresses of every local interface are recognised, and nothing is sent."""
    assert is_own(ip_address(address))


@pytest.mark.parametrize("address", ["192.0.2.1", "255.255.255.255", "ff02::1", "2001:db8::1"])
def test_others_addresses_are_not_own(address: str) -> None:
    """Addresses of other machines are not own, whether they can be reached or not."""
    assert not is_own(ip_address(address))


@pytest.mark.parametrize("host", ["site.example", "127.0.0.1"])
async def test_site_mode_looks_nothing_up(host: str) -> None:
    """In site mode a name that is not listed is refused before it is looked up."""

    async def resolve(_name: str) -> Sequence[IPAddress]:
        raise AssertionError("looked up")

    policy = ConnectionPolicy(allow=LOOPBACK.allow, ports=None, sites=("other.example",))
    with pytest.raises(DestinationRefused) as caught:
        await dial(host, 80, policy=policy, resolve=resolve)
    assert caught.value.denial is HostRule.NOT_LISTED


def test_what_is_own_is_asked_anew_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is not asked for each connection, and a new interface is noticed after a while."""
    now_s, asked = [0.0], []

    def ask(address: IPAddress) -> bool:
        asked.append(address)
        return len(asked) > 1

    monkeypatch.setattr("passerelle.io.net.dial.is_own", ask)
    monkeypatch.setattr("passerelle.io.net.dial.OWN_ADDRESSES", 2)
    own = OwnAddresses(lambda: now_s[0])
    address = ip_address("192.0.2.1")
    assert address not in own
    assert address not in own
    now_s[0] += OWN_CACHE_S + 1
    assert address in own
    assert [ip_address(f"192.0.2.{n}") in own for n in range(2, 9)] == [True] * 7
    assert len(own._known) <= 2
