"""`passerelle embed` as a publisher runs it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from aiohttp import web

from passerelle import cli
from passerelle.io.server.web import WebServer, application
from passerelle.keyring import Keyring
from passerelle.serve import BUILT_WIDGET, widget_script
from tests.program import passerelle
from tests.rig.ports import free_port
from tests.rig.program import invite_of, serve

HOST = "127.0.0.1"
KEY = "A" * 43
STORE = "https://store.example/passerelle?hl=en&one"
ADDONS = "https://addons.example/passerelle"
ELSEWHERE = ("--exit-url", "https://exit.example")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network's keys."""
    folder = tmp_path_factory.mktemp("keys")
    Keyring.open_or_create(folder)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command in this process; return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as end:
        cli.main(["embed", *words])
    out, err = capsys.readouterr()
    return int(str(end.value.code)), out, err


def test_a_tag_from_a_networks_keys(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    """Standard output holds the tag alone; standard error says what to do with it."""
    words = ("--state", str(state), "--url", "https://broker.example/", *ELSEWHERE)
    code, out, err = run(capsys, *words, "--layout", "floating", "--theme", "dark", "--lang", "fa")
    script = widget_script(BUILT_WIDGET)
    invite = Keyring.open(state).invite("https://broker.example")
    assert code == 0, err
    assert out.splitlines() == [
        f'<script type="module" src="https://broker.example/w/{script.file}"'
        f' integrity="{script.integrity}" crossorigin></script>',
        f'<passerelle-switch network="{invite}" layout="floating" theme="dark" lang="fa">'
        "</passerelle-switch>",
    ]
    assert "script-src https://broker.example;" in err
    assert "connect-src https://broker.example wss://broker.example wss://exit.example;" in err
    assert "worker-src blob:;" in err


async def test_a_running_network_tells_the_same_by_its_invite(tmp_path: Path) -> None:
    """The operator names the network's extensions once, and the tag has them."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    named = ("--chromium-extension", STORE, "--firefox-extension", ADDONS)
    async with serve(tmp_path / "keys", HOST, port, *named) as server:
        invite = await invite_of(server)
        links = f'chromium="{html.escape(STORE)}" firefox="{ADDONS}"'
        await server.expect(re.escape(links))
        async with passerelle(["embed", "--invite", invite]) as asked:
            assert await asked.ended() == 0, asked.output
        async with passerelle(["embed", "--invite", invite, "--chromium", ""]) as one:
            assert await one.ended() == 0, one.output
    words = ["embed", "--state", str(tmp_path / "keys"), "--url", url]
    async with passerelle([*words, "--chromium", STORE, "--firefox", ADDONS]) as own:
        assert await own.ended() == 0, own.output
    assert asked.output == own.output
    assert f'network="{invite}" chromium="{html.escape(STORE)}" firefox="{ADDONS}"' in own.output
    assert one.output == own.output.replace(f' chromium="{html.escape(STORE)}"', "")


def test_going_on_is_not_offered_where_the_publisher_says_so(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    """No extension is named then."""
    words = ("--state", str(state), "--url", "https://broker.example", "--no-keep")
    code, out, err = run(capsys, *words, "--chromium", STORE)
    assert code == 0, err
    assert ' keep="none"' in out
    assert "chromium" not in out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--url", "https://broker.example"],
        ["--state", "/nowhere"],
        ["--invite", f"https://broker.example/#{KEY}", "--state", "/nowhere"],
        ["--invite", f"https://broker.example/#{KEY}", *ELSEWHERE],
    ],
)
def test_which_network_must_be_said(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "--invite" in err
    assert "--state" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--lang", "xx"], "does not speak"),
        (["--hours", "22-6"], "22:00-06:30"),
        (["--layout", "round"], "inline"),
        (["--people", "0"], "people"),
        (["--chromium", "http://store.example/"], "https://store.example/passerelle"),
        (["--firefox", f"https://{'a' * 512}"], "https://store.example/passerelle"),
        (["--url", "broker.example"], "https://"),
    ],
)
def test_a_choice_that_is_none(
    capsys: pytest.CaptureFixture[str], state: Path, words: list[str], sentence: str
) -> None:
    """The sentence gives an example of a usable value."""
    given = ("--state", str(state), "--url", "https://broker.example")
    code, out, err = run(capsys, *given, *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_folder_without_keys_gets_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No keys are made in a mistyped folder: it is not a new network."""
    code, _, err = run(capsys, "--state", str(tmp_path), "--url", "https://broker.example")
    assert code == 2
    assert "passerelle serve --state" in err
    assert not list(tmp_path.iterdir())


async def test_a_broker_that_cannot_be_reached() -> None:
    invite = f"http://{HOST}:{free_port()}/#{KEY}"
    async with passerelle(["embed", "--invite", invite]) as program:
        assert await program.ended() == 1
    assert "cannot be reached" in program.output


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, b"", "answered 404"),
        (302, b"", "answered 302"),
        (200, b"x" * 2_000_000, "more than a broker"),
        (200, b"{}", "network"),
    ],
)
async def test_a_server_that_is_no_broker(status: int, body: bytes, sentence: str) -> None:
    """Nothing that such a server answers is printed as a tag."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/"})

    app = application()
    app.router.add_get("/{path:.*}", answer)
    async with WebServer(app, HOST, 0) as server:
        invite = f"http://{HOST}:{server.port}/#{KEY}"
        async with passerelle(["embed", "--invite", invite]) as program:
            assert await program.ended() in {1, 2}
    assert sentence in program.output
    assert "<script" not in program.output
    assert "Traceback" not in program.output
