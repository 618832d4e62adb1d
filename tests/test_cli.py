from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from passerelle import __version__, cli
from passerelle.demo.run import free_port
from passerelle.errors import LinkCode, LocalError, PeerError
from passerelle.io.server.web import WebServer, application
from passerelle.io.webrtc import engine
from passerelle.io.webrtc.chrome.library import NoEngine
from passerelle.keyring import Keyring
from tests.client.test_service import curl
from tests.program import passerelle

HOST = "127.0.0.1"
KEY = "A" * 43
INVITE = f"https://broker.example/#{KEY}"


@pytest.fixture(autouse=True)
def no_log_handlers() -> Iterator[None]:
    """Undo the logging that a command sets up for the whole process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command in this process; return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert isinstance(end.value.code, int)
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`version` prints one line."""
    assert run(capsys, "version") == (0, f"passerelle {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["demo", "client", "serve", "stun", "version", "invite"]),
        (["serve"], ["--state", "--url", "--allow", "Dangerous", "--tls-cert", "--stun-listen"]),
        (["stun"], ["--listen", "--other", "--public", "NAT"]),
        (["client"], ["--invite-file", "--listen", "127.0.0.1:10080", "SOCKS5", "--state"]),
        (["client"], ["--invite", "PASSERELLE_INVITE", "--token-file", "--login-file"]),
        (["friend"], ["--invite", "--network", "/friend"]),
        (["serve"], ["--fronted", "FRONT,URL", "--amp", "https://cdn.ampproject.org"]),
        (["demo"], ["--once", "--headless", "--port"]),
    ],
)
def test_help_tells_a_new_user(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: list[str],
) -> None:
    """Each command says what it is for and what its options mean."""
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run(capsys, *words, "--help")
    assert code == 0
    for word in expected:
        assert word in out


def test_commands_that_need_no_webrtc_do_not_load_it() -> None:
    """`passerelle version` and --help answer at once."""

    script = (
        "import sys; from passerelle import cli\n"
        "try: cli.main(['version'])\n"
        "except SystemExit: pass\n"
        "print({'aiortc', 'aiohttp', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["client", "--invite", "nonsense"], "This invite cannot be used"),
        (["client", "--invite", INVITE[:-1]], "This invite cannot be used"),
        (["client", "--invite", INVITE, "--listen", "1080"], "is no address to listen on"),
        (["client"], "Which network?"),
        (["friend"], "Which network?"),
        (["client", "--invite-file", "/nowhere/invite"], "cannot be read"),
        (["client", "--invite", INVITE, "--profile", "call"], "needs Chrome's WebRTC"),
        (["client", "--profile", "call", "--engine", "chrome", "--no-media"], "exclude each other"),
        (["serve", "--state", "STATE", "--url", "bridge.example"], "is no public address"),
        (["serve", "--state", "STATE", "--url", "https://a/?b=c"], "is no public address"),
        (["serve", "--state", "STATE", "--url", "https://a/#KEY"], "is no public address"),
        (
            ["serve", "--state", "STATE", "--url", "a.example", "--exit-url", "https://b"],
            "'a.example' is no public address",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--site", "https://news.example"],
            "--site cannot be used: a site is a name such as",
        ),
        (["serve", "--state", "STATE", "--url", "https://a", "--listen", "x"], "is no address"),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--allow", "10.0.0.1/8"],
            "--allow wants",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--exit-udp-port", "0"],
            "--exit-udp-port wants",
        ),
        (
            [
                *("serve", "--state", "STATE", "--url", "https://a"),
                *("--no-udp", "--exit-udp-port", "53"),
            ],
            "--no-udp and --exit-udp-port contradict",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--exit-port", "70000"],
            "--exit-port wants",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--stun", "stun.example"],
            "looks like stun:",
        ),
        (["serve", "--state", "STATE", "--url", "https://a", "--tls-cert", "x"], "belong together"),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--fronted", "popular.example"],
            "--fronted cannot be used",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--front-network", "10.0.0.1/8"],
            "--front-network wants a network",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a", "--amp", "cdn.ampproject.org"],
            "--amp cannot be used",
        ),
        *(
            (["serve", "--state", "STATE", "--url", "https://a.example", "--door", door], sentence)
            for door, sentence in (
                ("news.example", "Write the door's base URL"),
                ("http://news.example/door", "without https"),
                ("https://a.example/door", "is an address of this network itself"),
                ("https://A.example:8443", "is an address of this network itself"),
                ("https://news.example:25/door", "no browser connects to port 25"),
                ("https://localhost/door", "into a network of their own"),
                ("https://news.localhost/door", "into a network of their own"),
                ("https://10.0.0.1/door", "into a network of their own"),
                ("https://[::1]/door", "into a network of their own"),
                ("https://1.1.1.1/door", "1.1.1.1 is no name of a web site"),
                ("https://[2606:4700::1]:8443/door", "is no name of a web site"),
                ("https://intranet/door", "intranet is no name of a web site"),
                ("https://news.example./door", "ends with a dot"),
                ("https://a.example./door", "ends with a dot"),
                ("https://news.example:0/door", "0 is no port"),
                ("https://news.example:65536/door", "65536 is no port"),
                ("https://news.example:https/door", "https is no port"),
                ("https://news.example:/door", "nothing is no port"),
                ("https://someone@news.example/door", "a user's name"),
                ("https://news.example/@door", "Write the door's base URL"),
                ("https://n%65ws.example/door", "n%65ws.example is no host name"),
                ("https://zeitung-f\xfcr.example/door", "Write xn--zeitung-fr-ieb.example"),
                ("https://news.example/t\xfcr", "Write the door's base URL"),
                ("https://news.example/<door>", "Write the door's base URL"),
                ("https://news.example/a/../door", "Write the door's base URL"),
                ("https://news.example/%2e%2E/door", "Write the door's base URL"),
                ("https://\ufffd.example/door", "other letters for its host"),
                ("https://127.1/door", "127.1 is no host name"),
                ("https://news..example/door", "is no host name"),
                ("https://[news.example/door", "brackets"),
                ("HTTPS://news.example/door", "https in small letters"),
                ("https://news.example/" + "d" * 256, "has 277 characters"),
            )
        ),
        *(
            (["serve", "--state", "STATE", option, url, *rest], f"{option} {url} cannot be used")
            for option, rest in (
                ("--url", ()),
                ("--broker-url", ("--url", "https://a.example")),
                ("--exit-url", ("--url", "https://a.example", "--exit-listen", ":81")),
            )
            for url in (
                "https://someone@b.example",
                "https://b.example.",
                "https://b.example:0",
                "https://b%2eexample",
                "https://b\xfccher.example",
            )
        ),
        (
            [
                *("serve", "--state", "STATE", "--url", "https://a.example"),
                *("--broker-url", "https://b.example", "--door", "https://b.example"),
            ],
            "is an address of this network itself",
        ),
        (
            ["serve", "--state", "STATE", "--url", "https://a.example:6000"],
            "no browser connects to port 6000",
        ),
        (
            [
                *("serve", "--state", "STATE", "--url", "https://a.example"),
                *("--exit-listen", ":6667", "--exit-url", "https://a.example:6667"),
            ],
            "--exit-url https://a.example:6667 cannot be used",
        ),
        (["demo", "--port", "22"], "--port 22 cannot be used: no browser opens a page there"),
        (["demo", "--reader", "--port", "6000"], "Choose another one"),
        (
            ["page", "--state", "STATE", "--url", "a.example", "--out", "OUT"],
            "is no public address",
        ),
        (
            ["page", "--state", "STATE", "--url", "https://a/b?c=d", "--out", "OUT"],
            "is no public address",
        ),
        (
            ["page", "--state", "STATE", "--url", "https://me@a.example", "--out", "OUT"],
            "a user's name",
        ),
        (
            ["page", "--invite-file", "NONE", "--out", "OUT", "--site-key", KEY],
            "--site-key goes into the file that --survive writes",
        ),
        (
            [
                *("page", "--invite-file", "NONE", "--out", "OUT"),
                *("--survive", "FOLDER", "--site-key", KEY[:-4]),
            ],
            "--site-key is no key",
        ),
        (["friend", "--invite", INVITE, "--network", "/nowhere/network.json"], "cannot be read"),
        (["serve", "--state", "STATE", "--url", "https://a", "--exit-listen", ":81"], "--exit-url"),
        (
            [
                "serve",
                "--state",
                "STATE",
                "--url",
                "https://a",
                "--tls-cert",
                "x",
                "--tls-key",
                "y",
            ],
            "TLS certificate",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], sentence: str
) -> None:
    """The sentence says what is wrong and what to do; there is no traceback."""
    words = [str(tmp_path / "state") if word == "STATE" else word for word in words]
    code, out, err = run(capsys, *words)
    assert code == 2
    assert sentence in err
    assert err.startswith("passerelle: ")
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (["--engine", "chrome"], "leave --engine out"),
        (["--engine", "auto", "--profile", "call"], "leave --engine and --profile out"),
    ],
)
def test_without_the_wheel_the_client_says_what_to_leave_out(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    way_out: str,
) -> None:
    """Without --engine a call is refused, too."""

    def missing(*, call: bool) -> None:
        raise NoEngine("there is no wheel")

    monkeypatch.setattr(engine, "chrome_engine", missing)
    _, _, err = run(capsys, "client", "--invite", INVITE, "--forget", *words)
    assert "there is no wheel" in err
    assert f"or {way_out}." in err


@pytest.mark.parametrize("words", [["nonsense"], ["serve", "--url", "x"], ["demo", "--port", "x"]])
def test_a_wrong_command_line_is_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """The parser prints its usual words about usage."""
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "Usage" in err


def test_a_fault_of_ours_says_how_to_see_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --debug neither traceback nor values are shown; with it the exception is raised."""

    def fail(*_words: object, **_options: object) -> None:
        raise ZeroDivisionError("10.1.2.3")

    monkeypatch.setattr(cli, "app", fail)
    code, _, err = run(capsys, "version")
    assert code == 1
    assert "ZeroDivisionError" in err
    assert "--debug" in err
    assert "10.1.2.3" not in err
    with pytest.raises(ZeroDivisionError):
        cli.main(["--debug", "version"])


def test_errors_in_a_group_are_told_one_by_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error of an ExceptionGroup gets a line of its own."""

    def fail(*_words: object, **_options: object) -> None:
        inner = ExceptionGroup("b", [PeerError(LinkCode.LIMIT, "Two."), ValueError("x")])
        raise ExceptionGroup("a", [LocalError("One."), inner])

    monkeypatch.setattr(cli, "app", fail)
    code, _, err = run(capsys, "version")
    assert code == 1
    assert err == "passerelle: One.\npasserelle: Two. (limit)\n"


def test_a_second_interrupt_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C prints nothing."""

    def fail(*_words: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", fail)
    assert run(capsys, "version") == (130, "", "")


# --- as programs ---------------------------------------------------------------------------------


def network(document: bytes) -> web.Application:
    """Return a broker that serves `document` as its descriptor."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=document)

    app = application()
    app.router.add_get("/v1/network", answer)
    return app


@pytest.mark.parametrize(
    ("signer", "age_s", "sentence"),
    [
        ("other", 0, "is not signed by the key in the invite"),
        ("same", 30 * 86_400, "has expired"),
        ("nobody", 0, "is not a network description"),
    ],
)
async def test_a_bad_descriptor_ends_the_client(signer: str, age_s: int, sentence: str) -> None:
    """A wrong signature, an expired one or no descriptor gives one sentence and code 2."""
    keys = Keyring.generate()
    signing = Keyring.generate() if signer == "other" else keys
    _, document = signing.descriptor(
        "Test",
        broker_url="https://broker.example",
        exit_url="wss://exit.example",
        exit_id="exit-1",
        now_s=time.time() - age_s,
    )
    page = b"nonsense" if signer == "nobody" else document
    async with WebServer(network(page), HOST, 0) as server:
        invite = str(keys.invite(f"http://{HOST}:{server.port}"))
        words = ["client", "--invite", invite, "--listen", f"{HOST}:{free_port()}"]
        async with passerelle(words) as program:
            assert await program.ended() == 2, program.output
    assert sentence in program.output
    assert "Traceback" not in program.output


async def test_a_block_page_does_not_end_the_client() -> None:
    """The client goes on: a firewall's page in the broker's place says nothing of the network."""
    async with WebServer(network(b"<html>blocked</html>"), HOST, 0) as server:
        invite = f"http://{HOST}:{server.port}/#{KEY}"
        words = ["client", "--invite", invite, "--listen", f"{HOST}:{free_port()}"]
        async with passerelle(words) as program:
            line = await program.until("something else answered in its place, such as a block page")
            assert "keeps trying" in line
            program.process.send_signal(signal.SIGINT)
            assert await program.ended() == 0, program.output


async def test_a_taken_local_port_ends_the_client() -> None:
    """A taken port gives one sentence and code 1."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with passerelle(
            ["client", "--invite", INVITE, "--listen", f"{HOST}:{port}"]
        ) as program:
            assert await program.ended() == 1, program.output
    assert f"{port}" in program.output
    assert "Traceback" not in program.output


async def test_a_broker_that_is_down_is_asked_again() -> None:
    """The client says so, keeps trying, and Ctrl-C ends it quietly."""
    invite = f"http://{HOST}:{free_port()}/#{KEY}"
    async with passerelle(
        ["client", "--invite", invite, "--listen", f"{HOST}:{free_port()}", "-v"]
    ) as program:
        await program.until("broker cannot be reached")
        await program.until("broker cannot be reached")
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0, program.output
    assert "Traceback" not in program.output


async def test_a_broker_that_stays_down_is_told_once() -> None:
    """While a request waits, the client tries every two seconds; that is not said each time."""
    at = f"{HOST}:{free_port()}"
    words = ["client", "--invite", f"http://{HOST}:{free_port()}/#{KEY}", "--listen", at]
    async with passerelle([*words, "--forget"]) as program:
        await program.until("broker cannot be reached")
        code, page = await curl("-x", f"http://{at}", "-w", "%{http_code}", f"http://{HOST}:1/")
        assert (code, page[-3:]) == (0, b"503")
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0, program.output
    assert program.output.count("broker cannot be reached") == 1, program.output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_serve_prints_invite_and_tag_and_ends_on_a_signal(
    tmp_path: Path, how: signal.Signals
) -> None:
    """A client takes the invite as it is printed; a second start prints the same one."""
    port = free_port()
    words = [
        "serve",
        "--state",
        str(tmp_path),
        "--listen",
        f"{HOST}:{port}",
        "--url",
        f"http://{HOST}:{port}",
    ]
    async with passerelle(words) as program:
        invite = (await program.until("/#")).strip()
        client = ["client", "--invite", invite, "--listen", f"{HOST}:{free_port()}", "-v"]
        async with passerelle(client) as reader:
            assert "not connected yet" in await reader.until("Proxy open")
            await reader.until("No volunteer is available")
            assert "description is good: Passerelle." in reader.output
            reader.process.send_signal(how)
            assert await reader.ended() == 0, reader.output
            assert reader.output.rstrip().endswith("Goodbye.")
        program.process.send_signal(how)
        assert await program.ended() == 0, program.output
    assert "Traceback" not in program.output + reader.output
    assert re.search(r"<passerelle-switch network=|The widget is not built", program.output)
    async with passerelle(words) as again:
        assert (await again.until("/#")).strip() == invite


async def test_while_the_broker_is_silent_the_proxy_is_open_and_says_why_nothing_comes() -> None:
    """The first line waits for no server; each kind of request fails after ten seconds."""
    asked = asyncio.Event()
    held: list[asyncio.StreamWriter] = []

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        asked.set()

    async with await asyncio.start_server(hold, HOST, 0) as broker:
        invite = f"http://{HOST}:{broker.sockets[0].getsockname()[1]}/#{'A' * 43}"
        at = f"{HOST}:{free_port()}"
        words = ["client", "--invite", invite, "--listen", at, "--forget"]
        async with passerelle(words) as reader:
            await asked.wait()
            async with asyncio.timeout(5):
                await reader.until("Proxy open")
            began_s = time.monotonic()
            http = "-x", f"http://{at}"
            page, connect, socks = await asyncio.gather(
                curl(*http, "-w", "%{http_code}", f"http://{HOST}:1/"),
                curl(*http, "-p", "-w", "%{http_connect}", f"http://{HOST}:1/"),
                curl("--socks5-hostname", at, f"http://{HOST}:1/"),
            )
            assert 9 < time.monotonic() - began_s < 13
            assert page[0] == 0
            assert b"servers" in page[1]
            assert page[1].endswith(b"503")
            assert connect == (56, b"503")
            assert socks[0] == 97  # the proxy refused
        for writer in held:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_a_taken_port_is_told_with_the_option_that_names_another() -> None:
    """Whoever starts a second client learns what to write."""
    listener = socket.create_server((HOST, 0))
    with listener:
        taken = f"{HOST}:{listener.getsockname()[1]}"
        invite = f"http://{HOST}:1/#{'A' * 43}"
        async with passerelle(["client", "--invite", invite, "--listen", taken]) as reader:
            assert await reader.ended() == 1
            assert "--listen" in reader.output


@pytest.mark.parametrize("kind", [[], ["--reader"]])
def test_a_taken_port_ends_the_demo_before_its_first_step(
    capsys: pytest.CaptureFixture[str], kind: list[str]
) -> None:
    """Nothing is started for a page that will have no place."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        code, out, err = run(capsys, "demo", *kind, "--port", str(port))
    assert code == 1
    assert out == ""
    assert f"Port {port} on {HOST} cannot be opened: another program is using it" in err


async def test_the_version_is_an_option_too() -> None:
    """`passerelle --version` prints what `passerelle version` prints."""
    outputs = []
    for word in ("--version", "version"):
        async with passerelle([word]) as program:
            assert await program.ended() == 0
            outputs.append(program.output)
    assert outputs[0] == outputs[1]
