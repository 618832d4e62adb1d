import gzip
import json
from pathlib import Path

import pytest
from yarl import URL

from passerelle.broker.assets import Assets
from passerelle.errors import ConfigError
from tests.broker.parties import scene

SCRIPT = b"customElements.define('passerelle-switch', class extends HTMLElement {})\n" * 20
ELEMENT = "passerelle.3f2a9c01.js"
RELAY = "relay.77aa0113.css"
MANIFEST = {"element": {"file": ELEMENT, "integrity": "sha384-x"}, "relay": {"file": RELAY}}


@pytest.fixture
def widget(tmp_path: Path) -> Path:
    directory = tmp_path / "widget"
    directory.mkdir()
    (directory / ELEMENT).write_bytes(SCRIPT)
    (directory / RELAY).write_text("p{}")
    (directory / "manifest.json").write_text(json.dumps(MANIFEST))
    (directory / "unlisted.js").write_text("not for publication")
    (tmp_path / "secret.txt").write_text("not for publication")
    return directory


async def test_hashed_files_are_kept_forever_and_usable_from_any_page(widget: Path) -> None:
    async with scene(widget_dir=widget) as here:
        async with here.http.get(f"{here.url}/w/{ELEMENT}") as response:
            assert response.status == 200
            assert await response.read() == SCRIPT
            headers = response.headers
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert headers["Vary"] == "Accept-Encoding"
        async with here.http.get(f"{here.url}/w/{RELAY}") as response:
            assert response.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://paper.example"}])
async def test_a_pages_connection_is_closed(widget: Path, headers: dict[str, str]) -> None:
    """Nothing goes over it any more when the visitor has long turned the switch off."""
    async with (
        scene(widget_dir=widget) as here,
        here.http.get(f"{here.url}/w/{ELEMENT}", headers=headers) as response,
    ):
        assert (response.headers.get("Connection") == "close") == bool(headers)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("xgzip", False),
    ],
)
async def test_gzip_is_sent_to_those_who_take_it(widget: Path, accepted: str, packed: bool) -> None:
    async with scene(widget_dir=widget) as here:
        url = f"{here.url}/w/{ELEMENT}"
        headers = {"Accept-Encoding": accepted}
        async with here.http.get(url, headers=headers) as response:
            assert (response.headers.get("Content-Encoding") == "gzip") is packed
            length = int(response.headers["Content-Length"])
            assert (length == len(gzip.compress(SCRIPT, mtime=0))) is packed
            assert await response.read() == SCRIPT, "unpacked by the client"


async def test_the_entry_point_leads_to_the_hashed_file(widget: Path) -> None:
    async with scene(widget_dir=widget) as here:
        url = here.url + "/w/passerelle.js"
        async with here.http.get(url, allow_redirects=False) as response:
            assert response.status == 302
            assert response.headers["Cache-Control"] == "public, max-age=60"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with here.http.get(url) as response:
            assert response.url.name == ELEMENT
            assert await response.read() == SCRIPT


async def test_the_manifest_is_served_and_kept_shortly(widget: Path) -> None:
    async with (
        scene(widget_dir=widget) as here,
        here.http.get(here.url + "/w/manifest.json") as response,
    ):
        assert await response.json() == MANIFEST
        assert response.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize(
    "path",
    [
        "/w/unlisted.js",
        "/w/../secret.txt",
        "/w/..%2fsecret.txt",
        "/w/%2e%2e/secret.txt",
        "/w/..%5csecret.txt",
        "/w/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/w//etc/passwd",
        "/w/passerelle.3f2a9c01.js%00",
        "/w/element",
        "/w/.",
        "/w/",
    ],
)
async def test_nothing_but_listed_names_is_served(widget: Path, path: str) -> None:
    async with (
        scene(widget_dir=widget) as here,
        here.http.get(URL(here.url + path, encoded=True)) as response,
    ):
        assert response.status == 404
        assert "publication" not in await response.text()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"element": "passerelle.js"}', "cannot be read"),
        ("{}", "not that of the widget"),
        ('{"element": {"file": "gone.js"}}', "gone.js cannot be read"),
        ('{"element": {"file": "../secret.txt"}}', "not a plain file name"),
        ('{"element": {"file": "/etc/passwd"}}', "not a plain file name"),
        ('{"element": {"file": ".."}}', "not a plain file name"),
    ],
)
def test_a_broken_widget_directory_is_told_in_a_sentence(
    widget: Path, manifest: str | None, words: str
) -> None:
    if manifest is None:
        (widget / "manifest.json").unlink()
    else:
        (widget / "manifest.json").write_text(manifest)
    with pytest.raises(ConfigError, match=f"cannot be served: .*{words}.* Build it"):
        Assets(widget, entry_age_s=60)
