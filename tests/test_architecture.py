"""The shape that ARCHITECTURE.md promises, read from the source itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "passerelle"
LONGEST_MODULE_LINES = 500
ROLES = ("broker", "exit", "client", "volunteer")
PURE_LAYERS = ("wire", "core")
VAGUE_NAMES = frozenset({"common", "helper", "helpers", "manager", "misc", "util", "utils"})

IMPURE = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "os", "pathlib", "random", "secrets", "select"}
    | {"selectors", "signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid"}
)
"""Standard modules that do I/O, read a clock or draw randomness."""

MAY_IMPORT = {
    "wire": ("passerelle.wire", "passerelle.errors", "passerelle.limits"),
    "core": ("passerelle.core", "passerelle.wire", "passerelle.errors", "passerelle.limits"),
    "io": tuple(f"passerelle.{name}" for name in ("io", "core", "wire", "errors", "limits")),
    **{
        role: tuple(
            f"passerelle.{name}"
            for name in (role, "io", "core", "wire", "errors", "limits", "browser", "__version__")
        )
        for role in ROLES
    },
}
"""Which of our own modules each layer may know. Roles talk over the wire, never by import."""

MAY_DEPEND_ON = {"wire": ("msgspec", "cryptography"), "core": ("h11", "h2")}
"""Third-party packages of the pure layers; the others may use what pyproject.toml names."""

WEBRTC = frozenset({"aiortc", "aioice", "av", "pylibsrtp"})
TASK_MAKERS = frozenset({"create_task", "ensure_future", "wait_for"})


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; `path` is relative to `src/passerelle`."""

    path: Path
    text: str

    @property
    def layer(self) -> str:
        """The folder it lives in, or its own name at the top."""
        return self.path.parts[0].removesuffix(".py")

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(ast.parse(self.text, str(self.path)))

    def imports(self) -> Iterator[str]:
        """Dotted names of everything imported, those for the type checker included."""
        for node in self.nodes():
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Module]:
    return [
        Module(path.relative_to(PACKAGE), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


# --- the rules: each takes a module and yields what is wrong with it ------------------------------


def upward_imports(module: Module) -> Iterator[str]:
    allowed = MAY_IMPORT.get(module.layer)
    for name in module.imports():
        if within(name, ("passerelle",)) and allowed is not None and not within(name, allowed):
            yield f"imports {name}"


def impurities(module: Module) -> Iterator[str]:
    if module.layer not in PURE_LAYERS:
        return
    for name in module.imports():
        top = name.partition(".")[0]
        if top == "passerelle" or within(name, MAY_DEPEND_ON[module.layer]):
            continue
        if top in IMPURE or top not in sys.stdlib_module_names:
            yield f"imports {name}"


def stray_webrtc(module: Module) -> Iterator[str]:
    if module.layer == "io" and module.path.name.startswith("rtc"):
        return
    yield from (f"imports {name}" for name in module.imports() if within(name, tuple(WEBRTC)))


def stray_tasks(module: Module) -> Iterator[str]:
    if module.path == Path("io/tasks.py"):
        return
    for name in module.imports():
        if name in {f"asyncio.{maker}" for maker in TASK_MAKERS}:
            yield f"imports {name}"
    for node in module.nodes():
        if isinstance(node, ast.Attribute) and node.attr in TASK_MAKERS:
            owner = ast.unparse(node.value)
            if owner == "asyncio" or owner.endswith(("loop", "loop()")):
                yield f"line {node.lineno}: {owner}.{node.attr}"


def oversize(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > LONGEST_MODULE_LINES:
        yield f"{lines} lines"


def vague_names(module: Module) -> Iterator[str]:
    for part in module.path.with_suffix("").parts:
        if part.strip("_") in VAGUE_NAMES:
            yield f"is called {part}"


def missing_tests(module: Module) -> Iterator[str]:
    if module.layer not in PURE_LAYERS or module.path.stem == "__init__":
        return
    mirror = Path("tests", module.path.with_name(f"test_{module.path.name.lstrip('_')}"))
    if not (ROOT / mirror).exists():
        yield f"has no {mirror}"


Rule = Callable[[Module], Iterator[str]]

RULES: tuple[Rule, ...] = (
    upward_imports,
    impurities,
    stray_webrtc,
    stray_tasks,
    oversize,
    vague_names,
    missing_tests,
)


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps(rule: Rule) -> None:
    """No module of the package breaks the rule."""
    faults = [f"{module.path} {fault}" for module in modules() for fault in rule(module)]
    assert not faults, "\n".join(faults)


BROKEN: list[tuple[Rule, str, str]] = [
    (upward_imports, "wire/x.py", "from passerelle.core import session"),
    (upward_imports, "core/x.py", "import passerelle.io.tcp"),
    (upward_imports, "io/x.py", "from passerelle.client.service import run"),
    (upward_imports, "broker/x.py", "from passerelle import exit"),
    (upward_imports, "wire/x.py", "from passerelle import cli"),
    (impurities, "core/x.py", "import time"),
    (impurities, "core/x.py", "from os import urandom"),
    (impurities, "core/x.py", "import cryptography"),
    (impurities, "wire/x.py", "import h2.connection"),
    (impurities, "wire/x.py", "def f():\n    from asyncio import sleep"),
    (stray_webrtc, "client/x.py", "import aiortc"),
    (stray_webrtc, "io/ws.py", "from aioice.candidate import Candidate"),
    (stray_tasks, "io/x.py", "import asyncio\nasyncio.create_task(f())"),
    (stray_tasks, "exit/x.py", "from asyncio import wait_for"),
    (stray_tasks, "exit/x.py", "self._loop.create_task(f())"),
    (stray_tasks, "exit/x.py", "asyncio.get_running_loop().create_task(f())"),
    (oversize, "io/x.py", "\n" * (LONGEST_MODULE_LINES + 1)),
    (vague_names, "io/utils.py", ""),
    (vague_names, "common/x.py", ""),
    (missing_tests, "core/nothing_tests_this.py", ""),
]

SOUND: list[tuple[Rule, str, str]] = [
    (upward_imports, "client/x.py", "from passerelle.io import tcp\nfrom passerelle import limits"),
    (upward_imports, "cli.py", "from passerelle.broker import service"),
    (impurities, "wire/x.py", "import struct, msgspec\nfrom passerelle.errors import PeerError"),
    (impurities, "core/x.py", "from collections.abc import Iterator\nfrom h2 import events"),
    (stray_webrtc, "io/rtc_stats.py", "import aiortc"),
    (stray_tasks, "io/tasks.py", "import asyncio\nasyncio.create_task(f())"),
    (stray_tasks, "io/x.py", "group.create_task(f())"),
    (oversize, "io/x.py", "\n" * LONGEST_MODULE_LINES),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_rule_catches(rule: Rule, path: str, text: str) -> None:
    """Each rule can fail."""
    assert list(rule(Module(Path(path), text)))


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_rule_allows(rule: Rule, path: str, text: str) -> None:
    """No rule forbids what the design asks for."""
    assert not list(rule(Module(Path(path), text)))


def test_every_limit_is_used() -> None:
    """A limit that nothing reads bounds nothing."""
    used = {name for module in modules() for name in names_read(module)}
    limits = Module(Path("limits.py"), (PACKAGE / "limits.py").read_text(encoding="utf-8"))
    unused = constants(limits) - used
    assert not unused, f"limits.py names what nothing under src/ uses: {sorted(unused)}"


def names_read(module: Module) -> Iterator[str]:
    for node in module.nodes():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def constants(module: Module) -> set[str]:
    """The names assigned at the top of a module."""
    targets: list[ast.expr] = []
    for node in ast.parse(module.text).body:
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AnnAssign):
            targets.append(node.target)
    return {target.id for target in targets if isinstance(target, ast.Name)}
