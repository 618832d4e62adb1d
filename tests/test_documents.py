"""What the documents say about the tree is true of the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PACKAGE = ROOT / "src" / "passerelle"
LAYERS = r"(?:wire|core|io|broker|exit|client|commands|demo)"

PATHS = re.compile(r"`((?:src|tests|widget|bench|docs|tools|integrations)/[\w./-]+)[`:#]")
MODULES = re.compile(rf"`({LAYERS}/\w+(?:/\w+)?)(?:\.py)?`")
STEPS = re.compile(r"`([\w./-]+\.(?:py|ts)):([\w.#]+)`")
TS_FUNCTION = r"(?m)^\s*(?:export |async |static |function )*{name}\("
ROWS_MOST = 15
LINES_MOST = 300


def test_every_path_exists() -> None:
    """A file or folder that a document names is there."""
    missing = [
        f"{document.name}: {path}"
        for document in DOCUMENTS
        if document.name != "CHANGELOG.md"
        for path in PATHS.findall(document.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
        and not path.startswith(
            ("src/passerelle/_widget", "src/passerelle/_reader", "src/passerelle/_places")
        )
    ]
    assert not missing, "\n".join(missing)


def test_every_module_exists() -> None:
    """A module that a document names by its layer, as `core/bucket`, is there."""
    missing = [
        f"{document.name}: {name}"
        for document in DOCUMENTS
        for name in MODULES.findall(document.read_text(encoding="utf-8"))
        if not (PACKAGE / f"{name}.py").exists() and not (PACKAGE / name).is_dir()
    ]
    assert not missing, "\n".join(missing)


def steps() -> Iterator[tuple[str, str]]:
    yield from STEPS.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("path", "name"), list(steps()))
def test_every_step_of_a_walk_exists(path: str, name: str) -> None:
    """ARCHITECTURE.md walks through functions that are where it says."""
    file = (ROOT if path.startswith("widget/") else PACKAGE) / path
    text = file.read_text(encoding="utf-8")
    if path.endswith(".ts"):
        owner, _, member = name.rpartition(".")
        assert not owner or re.search(rf"\bclass {owner}\b", text), f"no class {owner} in {path}"
        assert re.search(TS_FUNCTION.format(name=re.escape(member)), text), f"no {member} in {path}"
        return
    assert name in set(definitions(ast.parse(text), "")), f"no {name} in {path}"


def definitions(node: ast.AST, owner: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{owner}{child.name}"
            yield from definitions(child, f"{owner}{child.name}.")


BUDGETS = {
    "passerelle": "the script",
    "relay": "the relay",
    "engine": "the engine",
    "map": "the map",
    "more": "`more`",
    "on": "`on`",
    "words": "a language",
    "qr": "the QR picture",
}
"""What WIDGET.md calls the files that `widget/build.mjs` builds."""


def test_the_budgets_of_the_switch_are_those_of_its_build() -> None:
    build = (ROOT / "widget" / "build.mjs").read_text(encoding="utf-8")
    lines = re.findall(r"(?m)^  (\w+): ([\d.]+) \* 1024,$", build)
    assert {name for name, _ in lines} == set(BUDGETS)
    text = (ROOT / "docs" / "WIDGET.md").read_text(encoding="utf-8")
    told = " ".join(text.partition("over its budget after gzip:")[2].partition("(1 KB")[0].split())
    assert told == ", ".join(
        f"{BUDGETS[name]} {size} KB"
        for name, size in sorted(lines, key=lambda line: list(BUDGETS).index(line[0]))
    )


def test_architecture_is_short() -> None:
    """The tree says where things are; the document has room for reasons."""
    lines = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES_MOST
    begin = next(n for n, line in enumerate(lines) if line.startswith("| to change"))
    rows = 0
    while lines[begin + 2 + rows].startswith("|"):
        rows += 1
    assert 5 <= rows <= ROWS_MOST
