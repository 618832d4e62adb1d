"""Make a publisher's reading page of the built files: the folder of a mirror, and one file.

    index.html, 404.html     the shell; a static host shows it for every path
    passerelle-reader.js     the service worker
    passerelle.reader/*      the shell again, scripts, styles, words, the signed descriptor
    reader.html              the second tier, in one file

Each file holds the hashes of those that it loads, so whoever has the right `index.html` has all of
it. Only the service worker cannot be held this way, because browsers have nothing for that.
On a disk, `index.html` loads one script without a hash, which says which file works there: no
browser checks hashes there.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from passerelle.core.address.host import HostError, parse_host, to_ascii
from passerelle.errors import ConfigError

if TYPE_CHECKING:
    # It takes a while to load, and most commands need none.
    from passerelle.wire.descriptor import Descriptor

BUILT_READER: Final = Path(__file__).parent / "_reader"
FOLDER: Final = "passerelle.reader/"
WORKER: Final = "passerelle-reader.js"
SINGLE_FILE: Final = "reader.html"
SINGLE_FILE_BYTES: Final = 200 * 1024
"""Largest single file: chats and mail pass on so much."""
UNABLE: Final = (
    "If this stays here, the browser is too old for this page, or JavaScript is off. Update it, or "
    "try Chrome or Firefox."
)
"""What is read where no script runs. It shows after a moment: scripts take its place before."""
ON_DISK: Final = "This file belongs on a web server. From a disk, open reader.html."
ALTERED: Final = (
    "Part of this page is missing or was altered by somebody. Load it again; if this stays, ask "
    "for the file reader.html."
)
"""What is read in place of a mirror's page that cannot begin, where its other sentences cannot be
had, either."""

_WANTED = re.compile(rf"/{FOLDER}(?:words-|article\.|later\.|instead\.|media\.)")
_WORDS = re.compile(r"words-([\w-]+)\.json")


@dataclass(frozen=True, slots=True)
class ReadingPage:
    """What a page is made for."""

    site: tuple[str, ...]
    """The site's origins, `https://news.example`, the main one first."""
    invite: str
    """As `str(Invite)` writes it, without ways."""
    brokers: tuple[str, ...]
    """URLs of the brokers, and of the doors to them: the page connects to no other server."""
    document: bytes
    """The signed descriptor."""


def built(folder: Path = BUILT_READER) -> dict[str, bytes]:
    """Return the built files by their names. Raises ConfigError when they are not there."""
    try:
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    except OSError:
        files = {}
    if "shell.js" not in files:
        raise ConfigError("The reading page is not built yet. Run `make widget` once.")
    return files


def mirror(files: Mapping[str, bytes], page: ReadingPage) -> dict[str, bytes]:
    """Return the files of a mirror by their paths, from the built files."""
    made: dict[str, bytes] = {}

    def add(name: str, content: bytes) -> tuple[str, str]:
        stem, dot, ending = name.rpartition(".")
        file = f"{stem}.{hashlib.sha256(content).hexdigest()[:8]}{dot}{ending}"
        made[FOLDER + file] = content
        return file, integrity(content)

    inner, inner_hash = add("inner.js", files["inner.js"])
    script, script_hash = add("shell.js", files["shell.js"])
    style, style_hash = add("shell.css", files["shell.css"])
    config = {
        "site": page.site,
        "invite": page.invite,
        "inner": f'<script src="/{FOLDER}{inner}" integrity="{inner_hash}"></script>',
        "article": add("article.js", files["article.js"]),
        "later": add("later.js", files["later.js"]),
        "media": add("media.js", files["media.js"]),
        "words": {
            match[1]: add(name, content)
            for name, content in sorted(files.items())
            if (match := _WORDS.fullmatch(name))
        },
    }
    made[FOLDER + "network.json"] = page.document
    guard = _guard(*add("instead.js", files["instead.js"]))
    shell = _document(
        config,
        f"<script>{guard}</script>"
        f'<link rel="stylesheet" href="/{FOLDER}{style}" integrity="{style_hash}">',
        f'<script type="module" src="/{FOLDER}{script}" integrity="{script_hash}"></script>',
        policy(page.brokers, f"'self' {_allowed(guard)}"),
    )
    for path in ("index.html", "404.html", FOLDER + "shell.html"):
        made[path] = shell
    hashes = {f"/{path}": integrity(made[path]) for path in made if path.startswith(FOLDER)}
    # Words, the second tier and what comes later are kept once they were wanted.
    wanted = [path for path in hashes if _WANTED.match(path)]
    kept = {path: hashes[path] for path in hashes if path not in wanted}
    worker = {
        "site": page.site,
        "brokers": sorted({origin(url) for url in page.brokers}),
        "files": kept,
        "wanted": wanted,
        "version": hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()[:16],
    }
    made[WORKER] = with_page(worker, files["worker.js"])
    return made


def single_file(files: Mapping[str, bytes], page: ReadingPage) -> bytes:
    """Return the second tier with everything in it.

    Raises ConfigError when it is larger than SINGLE_FILE_BYTES.
    """
    words = {
        match[1]: json.loads(content)
        for name, content in sorted(files.items())
        if (match := _WORDS.fullmatch(name))
    }
    config = {
        "site": page.site,
        "invite": page.invite,
        "words": words,
        "network": page.document.decode(),
    }
    whole = _document(
        config,
        f"<style>{files['shell.css'].decode()}</style>",
        f"<script>{_single_script(files)}</script>",
        single_file_policy(files, page.brokers),
    )
    if len(whole) > SINGLE_FILE_BYTES:
        raise ConfigError(f"{SINGLE_FILE} would have {len(whole)} bytes, more than chats pass on.")
    return whole


def broker_page(invite: str, network: Descriptor) -> Callable[[bytes], tuple[bytes, str]] | None:
    """Return what makes the page that a broker serves: of a signed document, the single file and
    its content security policy.

    Return None for a network whose exits serve no site by its name, and where nothing is built.
    """
    served = next((entry.gateway.sites for entry in network.exits if entry.gateway), ())
    try:
        site, files = origins(served), built()
    except ConfigError:
        return None
    brokers = asked_servers(network)

    def make(document: bytes) -> tuple[bytes, str]:
        page = ReadingPage(site=site, invite=invite, brokers=brokers, document=document)
        return single_file(files, page), single_file_policy(files, brokers)

    return make


def asked_servers(network: Descriptor) -> tuple[str, ...]:
    """Return the URLs that `ReadingPage.brokers` wants."""
    brokers = (entry.url for entry in network.brokers)
    return (*brokers, *(door.url for door in network.doors))


def single_file_policy(files: Mapping[str, bytes], brokers: Iterable[str]) -> str:
    """Return the content security policy of the single file, which lets its own script run."""
    return policy(brokers, _allowed(_single_script(files)))


def _allowed(script: str) -> str:
    """Return what a policy says of a script in the document."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _guard(file: str, digest: str) -> str:
    """Return the script that tells a reader why a mirror's page does not begin, if it does not.

    A file of it is missing or was altered: its script, or its words, of which the script hears by
    a promise that is rejected. Or it was opened from a disk. Once the page has begun, nothing of
    this is told.
    """
    return (
        "(function(told){function tell(event){"
        "var said=document.body&&document.body.firstChild,isDisk=location.protocol=='file:';"
        "if(told||!said||said.localName!='p'||event.type=='error'&&event.target.localName!='script')return;"
        f"told=true;said.textContent=isDisk?{json.dumps(ON_DISK)}:{json.dumps(ALTERED)};"
        "document.head.append(Object.assign(document.createElement('script'),"
        f"isDisk?{{src:'{FOLDER}{file}'}}:{{src:'/{FOLDER}{file}',integrity:'{digest}'}}))}}"
        "addEventListener('error',tell,true);addEventListener('unhandledrejection',tell);"
        "if(location.protocol=='file:')addEventListener('DOMContentLoaded',tell)})()"
    )


def _single_script(files: Mapping[str, bytes]) -> str:
    return files["file.js"].decode().replace("</script", "<\\/script")


def origins(served: Sequence[str], names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the origins of a site: those in `names`, all of which must be served, or all served.

    A name may be written in any case, in its own letters, and with a dot at its end. One that
    stands for many hosts, `*.news.example`, is no origin. Raises ConfigError.
    """
    for name in names:
        if name.startswith("*"):
            raise ConfigError(f"{name} stands for many hosts. Name one of them with --site.")
    wanted = tuple(dict.fromkeys(_host(name) for name in names))
    chosen = wanted or tuple(name for name in served if not name.startswith("*"))
    for name in chosen:
        wild = "*." + name.partition(".")[2]
        if name not in served and wild not in served:
            raise ConfigError(f"{name} is not served. The exit serves: {', '.join(served)}.")
    if not chosen:
        raise ConfigError("Name the site's hosts with --site: the exit serves only *.names.")
    return tuple(name if "://" in name else f"https://{name}" for name in chosen)


def _host(name: str) -> str:
    """Return a host's name as descriptors and browsers write it. Raises ConfigError."""
    try:
        return str(parse_host(to_ascii(name)))
    except HostError as error:
        raise ConfigError(f"{name} is no host name. Write it as news.example.") from error


def integrity(content: bytes) -> str:
    """Return the hash of a file as browsers check it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def policy(brokers: Iterable[str], script: str) -> str:
    """Return the shell's content security policy."""
    origins = " ".join(sorted({origin(url) for url in brokers}))
    return (
        f"default-src 'none'; script-src {script}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; font-src blob: data:; media-src blob: data:; "
        f"connect-src 'self' {origins}; frame-src 'self' blob:; worker-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def origin(url: str) -> str:
    """Return the origin of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def with_page(config: object, script: bytes) -> bytes:
    """Put a constant in front of a script, which no other script of the page sees."""
    return b"{const __PAGE__=" + _json(config).encode() + b";\n" + script + b"}\n"


def _json(value: object) -> str:
    # A less-than sign could end the script element around it.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _document(config: object, style: str, script: str, policy: str) -> bytes:
    return (
        "<!doctype html>\n"
        '<meta charset="utf-8">'
        f'<meta http-equiv="content-security-policy" content="{html.escape(policy)}">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="robots" content="noindex">'
        # A browser that is told of no icon asks the mirror for one.
        '<link rel="icon" href="data:,">'
        "<title>…</title>"
        f"{style}"
        f'<script type="application/json" id="page">{_json(config)}</script>'
        f'<body><p lang="en">{UNABLE}</p>{script}\n'
    ).encode()
