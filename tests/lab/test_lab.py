"""The laboratory works: forwarding, rules, captures, programs, and nothing left at the end."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import Lab, LabError, Namespace, Star, Wan, sweep, traffic
from tests.lab.browser import FLAGS, LabBrowser
from tests.lab.firefox import LabFirefox
from tests.lab.tools import CHROMIUM, ROOT, call

pytestmark = pytest.mark.lab

PORT = 7000
PAGE = """<!doctype html><title>garden</title>
<button id="b" onclick="this.textContent='on'">off</button>
<script>console.log("hello", location.host)</script>"""


def echo(host: Namespace) -> None:
    """Start a UDP echo on a host."""
    traffic.start(host, "echo", "0.0.0.0", PORT)


def answers(a: Namespace, b: Namespace, packets: int = 5) -> int:
    """Send packets from a to b, and count those that came back within 0.1 s."""
    return len(traffic.start(a, "ping", b.address, PORT, packets, 0.1).result()["rtt_ms"])


def netns() -> str:
    """Return the namespaces of this process's laboratories that exist."""
    names = call("ip", "netns", "list").splitlines()
    return "\n".join(name for name in names if name.startswith(f"psr{os.getpid()}-"))


def gone(pid: int) -> bool:
    """Return whether a process has ended, or does so within two seconds."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = select.select([process], [], [], 2)[0]
    os.close(process)
    return bool(ended)


def serve(host: Namespace, directory: Path) -> str:
    """Serve the test page from a host, and return its URL."""
    (directory / "index.html").write_text(PAGE)
    words = ("-m", "http.server", str(PORT), "--bind", host.address, "--directory", str(directory))
    host.python(*words).wait_for("Serving HTTP")
    return f"http://{host.address}:{PORT}/"


@pytest.fixture
def star(lab: Lab) -> Star:
    """Return hosts `client` and `exit` around a router, with an echo at the exit."""
    star = lab.star("client", "exit")
    echo(star.hosts["exit"])
    return star


def test_a_star_forwards(star: Star) -> None:
    assert answers(star.hosts["client"], star.hosts["exit"]) == 5


def test_a_star_forwards_through_long_ways(lab: Lab) -> None:
    """The two directions differ: 30 ms there, 10 ms back."""
    star = lab.star("exit")
    client = star.host("client", up=Wan(delay_ms=30), down=Wan(delay_ms=10))
    exit_ = star.hosts["exit"]
    echo(exit_)
    rtt_ms = traffic.start(client, "ping", exit_.address, PORT, 5, 5).result()["rtt_ms"]
    assert sorted(rtt_ms)[2] == pytest.approx(40, rel=0.05)
    assert star.lines["client"].counters()[0].packets >= 5


def test_a_star_forwards_ipv6(lab: Lab) -> None:
    star = lab.star("client", "exit")
    address = star.hosts["exit"].address6
    traffic.start(star.hosts["exit"], "echo", "::", PORT)
    answer = traffic.start(star.hosts["client"], "ping", address, PORT, 3, 1).result()
    assert len(answer["rtt_ms"]) == 3


def test_a_block_drops_and_counts_one_direction(star: Star) -> None:
    client, exit_ = star.hosts["client"], star.hosts["exit"]
    there = star.count("client", "exit")
    blocked = star.block("exit", "client")
    assert answers(client, exit_) == 0
    assert star.counter(there).packets == 5
    assert star.counter(blocked).packets == 5
    assert star.counter(blocked).bytes == 5 * (28 + 4)
    star.lift(blocked)
    assert answers(client, exit_) == 5
    assert star.counter(blocked).packets == 5, "it counts no more, and stays readable"
    assert star.counter(there).packets == 10


def test_a_block_may_be_narrow(star: Star) -> None:
    blocked = star.block("client", "exit", match=f"udp dport {PORT + 1}")
    assert answers(star.hosts["client"], star.hosts["exit"]) == 5
    assert star.counter(blocked).packets == 0


def test_a_silent_host_is_gone_until_it_is_lifted(star: Star) -> None:
    client, exit_ = star.hosts["client"], star.hosts["exit"]
    assert answers(client, exit_) == 5
    rule = star.silence("exit")
    assert answers(client, exit_) == 0
    assert star.counter(rule).packets == 5
    star.lift(rule)
    assert answers(client, exit_) == 5


def test_a_router_loses_by_chance(star: Star) -> None:
    rule = star.lose("client", "exit", loss_pct=50)
    lost = 20 - answers(star.hosts["client"], star.hosts["exit"], 20)
    assert 0 < lost == star.counter(rule).packets < 20


def test_an_unknown_rule_or_host_is_an_error(star: Star) -> None:
    with pytest.raises(LabError, match="no counter 'nothing'"):
        star.counter("nothing")
    with pytest.raises(LabError, match="no rule 'nothing'"):
        star.lift("nothing")
    with pytest.raises(LabError, match="no host 'nobody'"):
        star.block("client", "nobody")


def test_a_capture_finds_what_was_sent(lab: Lab, star: Star) -> None:
    client, exit_ = star.hosts["client"], star.hosts["exit"]
    code = "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); "
    code += f"s.sendto(b'a tulip in the garden', (sys.argv[1], {PORT})); s.recv(99)"
    with lab.capture(star.router, "to-exit") as capture:
        assert not capture.contains(b"tulip")
        client.run(sys.executable, "-c", code, exit_.address)
        assert capture.contains(b"tulip"), "while it runs"
    assert capture.contains(b"a tulip in the garden")
    assert not capture.contains(b"a rose")
    sent = capture.packets(f"udp and dst host {exit_.address} and dst port {PORT}")
    assert [b"tulip" in packet.data for packet in sent] == [True]
    assert len(capture.packets("udp")) == 2
    assert len(capture.packets(f"udp port {PORT + 1}")) == 0


def test_a_capture_holds_every_packet_of_a_burst(lab: Lab, star: Star) -> None:
    client, exit_ = star.hosts["client"], star.hosts["exit"]
    with lab.capture(client, "net0", f"udp dst port {PORT + 1}") as capture:
        traffic.start(client, "blast", exit_.address, PORT + 1, 5000, 64, 50_000, 0).result()
    assert len(capture.packets()) == 5000


def test_a_failing_program_says_why(lab: Lab) -> None:
    host = lab.namespace("host")
    with pytest.raises(LabError, match="no such file"):
        host.run("sh", "-c", "echo no such file >&2; exit 3")
    assert host.run("false", check=False).returncode == 1
    with pytest.raises(LabError, match="ended before it said 'ready'; it said: alas"):
        host.popen("echo", "alas").wait_for("ready")


def test_names_resolve_in_a_namespace_only(lab: Lab) -> None:
    host = lab.namespace("host")
    host.set_hosts({"broker.test": "10.77.1.2"})
    assert host.run("getent", "hosts", "broker.test").stdout.split()[0] == "10.77.1.2"
    assert subprocess.run(["getent", "hosts", "broker.test"], check=False).returncode != 0


def test_everything_is_gone_at_the_end(tmp_path: Path) -> None:
    with Lab(directory=tmp_path) as lab:
        star = lab.star("client")
        host = star.host("exit", up=Wan(delay_ms=1))
        host.set_hosts({"a.test": "10.77.1.2"})
        child = host.popen("sh", "-c", "sleep 1000 & echo $!; wait")
        grandchild = int(child.wait_for("\n"))
        assert netns()
    assert netns() == ""
    assert not child.alive
    assert gone(grandchild)
    assert not Path(f"/etc/netns/{host.name}").exists()
    assert star.lines["exit"].counters()[0].overrun == 0, "the line has ended and said so"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_everything_is_gone_after_an_exception(error: type[BaseException]) -> None:
    def work() -> None:
        with Lab() as lab:
            made.append(lab.directory)
            lab.star("client", "exit")
            raise error

    made: list[Path] = []
    with pytest.raises(error):
        work()
    assert netns() == ""
    assert not made[0].exists()


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    """The programs and namespaces of a killed run are removed; its line ends by itself."""
    code = """
import os, pathlib, signal, sys
from tests.lab import Lab, Wan
lab = Lab(directory=pathlib.Path(sys.argv[1])).__enter__()
a, b = lab.namespace("a"), lab.namespace("b")
line = lab.wan(a, b, Wan())
child = a.popen("sh", "-c", "echo up; exec sleep 1000")
child.wait_for("up")
print(a.name, child.pid, line.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    words = [sys.executable, "-c", code, str(tmp_path)]
    dead = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    name, *pids = dead.stdout.split()
    assert name in call("ip", "netns", "list")
    sweep()
    assert name not in call("ip", "netns", "list")
    assert all(gone(int(pid)) for pid in pids)


def test_chromium_starts_in_a_namespace(star: Star, tmp_path: Path) -> None:
    """Chromium in a namespace loads a page that another namespace serves."""
    url = serve(star.hosts["exit"], tmp_path)
    words = ("--headless", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", url)
    dom = star.hosts["client"].run(CHROMIUM, *words).stdout
    assert "<title>garden</title>" in dom


@pytest.mark.parametrize("kind", [LabBrowser, LabFirefox])
def test_a_browser_obeys_in_a_namespace(kind: type[LabBrowser], star: Star, tmp_path: Path) -> None:
    url = serve(star.hosts["exit"], tmp_path)
    with kind(star.hosts["client"]) as browser:
        browser.goto(url)
        assert browser.text("#b") == "off"
        browser.click("#b")
        browser.wait("document.querySelector('#b').textContent === 'on'")
        assert browser.eval("Promise.resolve([document.title, 6 * 7])") == ["garden", 42]
        host = url.removeprefix("http://").rstrip("/")
        assert f"log: hello {host}" in browser.console()
        with pytest.raises(LabError, match="Timeout"):
            browser.click("#nothing", timeout_s=0.1)
        star.silence("exit")
        with pytest.raises(LabError, match="Timeout"):
            browser.goto(url, timeout_s=0.5)


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a needed program the laboratory fails, and says which package to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match=r"apt-get install .*iproute2 nftables tcpdump gcc"):
        Lab().__enter__()
