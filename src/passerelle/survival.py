"""Make the file with which a publisher's own site goes on when it is blocked.

    passerelle-survive.js            the service worker, with the whole reading page in it
    withdraw/passerelle-survive.js   takes its place when the publisher withdraws it

The publisher puts the first at the site's root. It holds everything, so that nothing else has to be
kept, fetched or compared when the site is blocked.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from passerelle import limits, readingpage
from passerelle.errors import ConfigError
from passerelle.readingpage import FOLDER, ReadingPage

if TYPE_CHECKING:
    # It takes a while to load, and most commands need none.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE: Final = "passerelle-survive.js"
WITHDRAWN: Final = f"withdraw/{FILE}"
KEY_BYTES: Final = 32
_HEAD: Final = (
    b"// Passerelle: the site goes on when it is blocked. The publisher put this file here.\n"
)
_WITHDRAWN_HEAD: Final = b"// Passerelle: withdrawn by the publisher.\n"
"""The worker takes a file for the site's own that begins as the second of these, or as the first
and names the network's operator shortly behind."""
SIGNED: Final = b"// Signed "
"""What the second line of a signed file begins with."""
_CONTEXT: Final = b"passerelle survive 1\0"


def survival(
    built: Mapping[str, bytes],
    page: ReadingPage,
    site_key: bytes = b"",
    *,
    operator: Ed25519PrivateKey | None = None,
    made_s: int | None = None,
) -> dict[str, bytes]:
    """Return both files by their paths, of the built files.

    `site_key` is the Ed25519 public key with which the site's server signs proofs; empty for a site
    that signs none. `operator` is the network's key: browsers take a file that it signed while the
    site is blocked, too. `made_s` is Unix time, now if it is not given.

    Raises ConfigError for a key of another length, and for a file that browsers would not take.
    """
    if len(site_key) not in {0, KEY_BYTES}:
        raise ConfigError(f"A site's key has {KEY_BYTES} bytes.")
    made_s = int(time.time()) if made_s is None else made_s
    worker = {
        # It comes first, because a browser reads no more than the beginning to know the file by.
        "operator": page.invite.rpartition("#")[2],
        "site": page.site,
        "brokers": sorted({readingpage.origin(url) for url in page.brokers}),
        "files": _files(built, page),
        "key": base64.b64encode(site_key).decode(),
        "made_s": made_s,
    }
    made = {
        FILE: (_HEAD, readingpage.with_page(worker, built["survive.js"])),
        WITHDRAWN: (_WITHDRAWN_HEAD, built["withdrawn.js"]),
    }
    whole = {
        path: head + (_signed(body, operator, made_s) if operator else b"") + body
        for path, (head, body) in made.items()
    }
    if (size := len(whole[FILE])) > limits.SURVIVE_FILE_BYTES:
        raise ConfigError(f"{FILE} would have {size} bytes: {limits.SURVIVE_FILE_BYTES} at most.")
    return whole


def _signed(body: bytes, operator: Ed25519PrivateKey, made_s: int) -> bytes:
    """Return the line that stands in front of `body`."""
    signature = operator.sign(_CONTEXT + b"%d\0" % made_s + body)
    return SIGNED + b"%d %s\n" % (made_s, base64.b64encode(signature))


def _files(built: Mapping[str, bytes], page: ReadingPage) -> dict[str, str]:
    """Return the reading page's own files by their paths on the site, as they are told there."""
    leads = json.loads(built["leads.json"])
    told = dict(built)
    for language, lead in leads.items():
        words = json.loads(built[f"words-{language}.json"])
        words["lead"] = lead
        told[f"words-{language}.json"] = json.dumps(words, ensure_ascii=False).encode()
    made = readingpage.mirror(told, page)
    beside = built["survived.js"]
    path = f"{FOLDER}survived.js"
    tag = f'<script src="/{path}" integrity="{readingpage.integrity(beside)}"></script>\n'
    made[path] = beside
    made[f"{FOLDER}shell.html"] += tag.encode()
    return {
        f"/{name}": content.decode()
        for name, content in made.items()
        # The worker has all files of a page that it serves, so nothing is read in place of that.
        if name.startswith(FOLDER) and not name.startswith(f"{FOLDER}instead.")
    }
