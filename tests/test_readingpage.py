"""The files of a reading page: what holds what, and what is told of wrong input."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest

from passerelle import readingpage
from passerelle.errors import ConfigError
from passerelle.readingpage import ReadingPage
from passerelle.wire.descriptor import BrokerEntry, Descriptor, ExitEntry, GatewayEntry

FILES = {
    "shell.js": b"shell",
    "worker.js": b"worker",
    "inner.js": b"inner",
    "article.js": b"article",
    "later.js": b"later",
    "media.js": b"later",
    "instead.js": b"instead",
    "file.js": b"file </script",
    "shell.css": b"p{}",
    "words-en.json": b'{"name":"<English>"}',
}
PAGE = ReadingPage(
    site=("https://news.example",),
    invite="https://bridge.example/#key",
    brokers=("https://bridge.example/b", "http://other.example:81"),
    document=b'{"payload":"</script>"}',
)


def config(document: bytes) -> dict[str, object]:
    """Return what is written into a document for its script."""
    text = document.decode()
    match = re.search(r'id="page">(.*?)</script>', text)
    assert match
    return dict(json.loads(match[1]))


def test_each_file_holds_the_hashes_of_those_it_loads() -> None:
    """Nothing that a mirror alters is run, but for the worker."""
    made = readingpage.mirror(FILES, PAGE)
    assert made["index.html"] == made["404.html"] == made["passerelle.reader/shell.html"]
    shell = made["index.html"].decode()
    tags = re.findall(r'(?:src|href)="/([^"]+)" integrity="([^"]+)"', shell)
    found = config(made["index.html"])
    tags += re.findall(r'src="/([^"]+)" integrity="([^"]+)"', str(found["inner"]))
    words = found["words"]
    assert isinstance(words, dict)
    article = found["article"]
    assert isinstance(article, list)
    tags += [(readingpage.FOLDER + name, digest) for name, digest in [article, *words.values()]]
    assert len(tags) == 5
    for path, digest in tags:
        expected = base64.b64encode(hashlib.sha384(made[path]).digest()).decode()
        assert digest == f"sha384-{expected}"
    worker = made[readingpage.WORKER].decode()
    assert all(path in worker for path, _ in tags if "words" not in path and "article" not in path)
    assert made["passerelle.reader/network.json"] == PAGE.document


def test_a_change_gives_other_names_and_another_version() -> None:
    """A browser that kept an older page's files takes none of them for new ones."""
    first = readingpage.mirror(FILES, PAGE)
    second = readingpage.mirror({**FILES, "shell.js": b"new"}, PAGE)
    assert set(first) != set(second)
    assert first[readingpage.WORKER] != second[readingpage.WORKER]
    assert readingpage.mirror(FILES, PAGE) == first


def test_the_single_file_has_everything_in_it() -> None:
    """Nothing in it ends its own script, and its script is the only one that runs."""
    document = readingpage.single_file(FILES, PAGE)
    found = config(document)
    assert found["words"] == {"en": {"name": "<English>"}}
    assert found["network"] == PAGE.document.decode()
    text = document.decode()
    assert text.count("</script>") == 2
    digest = base64.b64encode(hashlib.sha256(b"file <\\/script").digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in text


def test_a_single_file_that_is_too_large_is_told() -> None:
    with pytest.raises(ConfigError, match="more than chats pass on"):
        readingpage.single_file({**FILES, "file.js": b"x" * readingpage.SINGLE_FILE_BYTES}, PAGE)


def test_only_the_brokers_and_the_mirror_are_connected_to() -> None:
    policy = readingpage.policy(PAGE.brokers, "'self'")
    assert "connect-src 'self' http://other.example:81 https://bridge.example;" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("served", "names", "expected"),
    [
        (("news.example", "*.news.example"), (), ("https://news.example",)),
        (("*.news.example",), ("fr.news.example",), ("https://fr.news.example",)),
        (("a.example", "b.example"), ("b.example",), ("https://b.example",)),
        (("news.example",), ("News.Example.", "news.example"), ("https://news.example",)),
        (("*.news.example",), ("FR.news.example",), ("https://fr.news.example",)),
        (("xn--bcher-kva.example",), ("B\u00fccher.example",), ("https://xn--bcher-kva.example",)),
    ],
)
def test_origins(
    served: tuple[str, ...], names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """A name counts in any case, in its own letters, and with a dot at its end."""
    assert readingpage.origins(served, names) == expected


@pytest.mark.parametrize(
    ("served", "names", "words"),
    [
        (("news.example",), ("evil.example",), "evil.example is not served"),
        (("*.news.example",), (), "Name the site's hosts"),
        (("*.news.example",), ("*.news.example",), "stands for many hosts"),
        (("news.example",), ("https://news.example/",), "is no host name. Write it as"),
    ],
)
def test_origins_that_cannot_be(
    served: tuple[str, ...], names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        readingpage.origins(served, names)


def network(*sites: str) -> Descriptor:
    """A network whose exit serves these names."""
    gateway = GatewayEntry(sites, 1, (bytes(41),)) if sites else None
    return Descriptor(
        name="test",
        issued_s=1,
        expires_s=2,
        brokers=(BrokerEntry("https://bridge.example", bytes(32), bytes(32)),),
        exits=(ExitEntry("one", "wss://one.example/v1/link", (bytes(32),), gateway=gateway),),
    )


@pytest.mark.parametrize("sites", [(), ("*.news.example",)])
def test_a_broker_has_no_page_of_a_site_without_a_name(sites: tuple[str, ...]) -> None:
    """Nobody could say what the page shows first."""
    assert readingpage.broker_page("https://bridge.example/#key", network(*sites)) is None


def test_a_brokers_page_is_the_single_file() -> None:
    """Its policy is the one that stands in the file, for this script and no other."""
    make = readingpage.broker_page(PAGE.invite, network("news.example"))
    assert make is not None
    content, policy = make(b'{"payload":"x"}')
    assert config(content)["network"] == '{"payload":"x"}'
    assert config(content)["site"] == ["https://news.example"]
    assert html.escape(policy) in content.decode()
