"""Each docstring and comment is a whole statement, and does not continue another one.

The test reads all Python docstrings and all comments under `src/`, `widget/src/` and
`reader/src/`.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "widget" / "src").rglob("*.ts"),
        *(ROOT / "reader" / "src").rglob("*.ts"),
    ]
)

ELLIPSES = ("…", "...")
FRAGMENT = re.compile(r"(and|but|nor|or|so|that|which|whom|whose|see above)\b", re.IGNORECASE)
"""Words that begin the second half of a sentence."""

# Strings, templates and regular expressions match first, as they may contain a comment's signs.
TYPESCRIPT = re.compile(
    r"""
      "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    | [=(,:;\[!&|?{}]\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/  # a regular expression
    | //(?P<line>[^\n]*)
    | /\*(?P<block>.*?)\*/
    """,
    re.VERBOSE | re.DOTALL,
)

Prose = tuple[int, str]
"""The number of a line, and the text that begins there."""


def docstrings(source: str) -> Iterator[Prose]:
    """Yield every docstring: of modules, classes and functions, and under constants and fields."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield node.lineno, text.strip()


def python_comments(source: str) -> Iterator[Prose]:
    """Yield every line of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#").strip()


def typescript_comments(source: str) -> Iterator[Prose]:
    """Yield every line of every comment, without the stars at its margin."""
    for found in TYPESCRIPT.finditer(source):
        text = found["line"] if found["line"] is not None else found["block"]
        if text is None:
            continue
        first = source.count("\n", 0, found.start()) + 1
        for offset, line in enumerate(text.split("\n")):
            yield first + offset, line.strip().strip("*/").strip()


def has_ellipsis(text: str) -> bool:
    """Return whether a text begins or ends with an ellipsis."""
    return text.startswith(ELLIPSES) or text.endswith(ELLIPSES)


def is_fragment(text: str) -> bool:
    """Return whether a text begins in the middle of a sentence."""
    return text[:1].islower() or FRAGMENT.match(text) is not None


def python_faults(source: str) -> Iterator[str]:
    """Yield the docstrings and comments of a Python module that are not whole."""
    for line, text in docstrings(source):
        if has_ellipsis(text) or is_fragment(text):
            yield f"line {line}: {text.partition(chr(10))[0]}"
    for line, text in python_comments(source):
        if has_ellipsis(text):
            yield f"line {line}: {text}"


def typescript_faults(source: str) -> Iterator[str]:
    """Yield the lines of comments of a TypeScript module that are not whole."""
    for line, text in typescript_comments(source):
        if has_ellipsis(text):
            yield f"line {line}: {text}"


FAULTS: dict[str, Callable[[str], Iterator[str]]] = {
    ".py": python_faults,
    ".ts": typescript_faults,
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_is_whole(path: Path) -> None:
    """No docstring or comment of the file begins or ends in the middle of a sentence."""
    faults = list(FAULTS[path.suffix](path.read_text(encoding="utf-8")))
    assert not faults, "\n".join(faults)


BROKEN = [
    (".py", '"""… and at once."""'),
    (".py", '"""What follows is ..."""'),
    (".py", '"""the module."""'),
    (".py", 'def f():\n    """Or a function."""'),
    (".py", 'async def f():\n    """Which awaits."""'),
    (".py", 'class C:\n    """Whose fields follow."""'),
    (".py", 'class C:\n    x: int = 0\n    """See above."""'),
    (".py", 'LIMIT = 3\n"""and no more."""'),
    (".py", "x = 1  # the rest …"),
    (".py", "# … is here"),
    (".ts", "// … and so on"),
    (".ts", "let a = 1; // one, two ..."),
    (".ts", "/** … in each of them. */"),
    (".ts", "/**\n * The first line …\n * and the second.\n */"),
    (".ts", 'const url = "https://a.example/"; // …'),
    (".ts", "const slash = /[/'\"]/; // …"),
]

SOUND = [
    (".py", '"""Bytes that wait: one, two, … in their order."""'),
    (".py", '"""`size` is in bytes."""'),
    (".py", '"""10⁶ bits a second."""'),
    (".py", '"""Organisations, and "Sole…" inside."""'),
    (".py", 'def f():\n    text = "… of a person"\n    return text'),
    (".py", "# a note in lower case\nx = 1"),
    (".ts", "// one … two"),
    (".ts", 'const text = "// …";'),
    (".ts", "const text = `/* … */`;"),
    (".ts", "const dots = /…/; // dots"),
]


@pytest.mark.parametrize(("kind", "source"), BROKEN)
def test_half_a_sentence_is_found(kind: str, source: str) -> None:
    """Every kind of docstring and comment is read, and every kind of fault is found."""
    assert list(FAULTS[kind](source))


@pytest.mark.parametrize(("kind", "source"), SOUND)
def test_whole_sentences_pass(kind: str, source: str) -> None:
    """An ellipsis inside a text, or in a string of the program, is no fault."""
    assert not list(FAULTS[kind](source))
