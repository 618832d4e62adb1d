"""The shape that ARCHITECTURE.md promises, read from the source itself."""

from __future__ import annotations

import ast
import graphlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "passerelle"
LONGEST_MODULE_LINES = 500
ROLES = ("broker", "exit", "client", "volunteer")
LEAVES = ("browser", "errors", "interrupt", "limits", "listen", "serverlimits", "standardstreams")
"""Modules beside the folders that serve everybody, and so know nobody."""
PURE_LAYERS = ("wire", "core")
LIMITS = ("limits.py", "serverlimits.py")
"""Modules of named bounds on what a peer can grow."""
VAGUE_NAMES = frozenset({"common", "helper", "helpers", "manager", "misc", "util", "utils"})

PURE_STANDARD = (
    *("__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib"),
    *(
        "copy",
        "dataclasses",
        "email.utils.parsedate_to_datetime",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "html",
    ),
    *("http.HTTPStatus", "ipaddress", "itertools", "json", "math", "operator", "re", "statistics"),
    *("string", "struct", "textwrap", "types", "typing", "unicodedata", "urllib.parse", "zlib"),
)
"""Standard modules that do no I/O, read no clock and draw no randomness."""

IMPURE_BUILTINS = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})

KNOWN_TO_ALL = ("errors", "limits", "serverlimits")
MAY_IMPORT = {
    "wire": tuple(f"passerelle.{name}" for name in ("wire", *KNOWN_TO_ALL)),
    "core": tuple(f"passerelle.{name}" for name in ("core", "wire", *KNOWN_TO_ALL)),
    "io": tuple(f"passerelle.{name}" for name in ("io", "core", "wire", *KNOWN_TO_ALL)),
    **{
        role: tuple(
            f"passerelle.{name}"
            for name in (role, "io", "core", "wire", *KNOWN_TO_ALL, "__version__")
        )
        for role in ROLES
    },
    **dict.fromkeys(LEAVES, ("passerelle.errors", "passerelle.limits")),
}
"""Which of our own modules each layer may know. Roles talk over the wire, never by import."""

MAY_DEPEND_ON = {"wire": ("msgspec", "cryptography", "pyhpke"), "core": ("h11", "h2", "hyperframe")}
"""Third-party packages of the pure layers; the others may use what pyproject.toml names.

HPKE in `cryptography` and `pyhpke` draws the ephemeral key of each message that `wire.rendezvous`
and `wire.oblivious` seal: no caller has to hand it one.
"""

LAYERS_WITH_ROOMS = ("core", "io")
LONGEST_ROOM_STORY_LINES = 15

MAY_CROSS: dict[str, dict[str, frozenset[str]]] = {
    "core/address": {"core": frozenset({"origin"})},
    "core/gateway": {},
    "core/localport": {"core/address": frozenset({"host"})},
    "core/matching": {
        "core": frozenset({"origin", "shares"}),
        "core/nat": frozenset({"classifier"}),
    },
    "core/media": {"core/tunnel": frozenset({"estimator"})},
    "core/nat": {},
    "core/tunnel": {"core": frozenset({"bucket", "ledger"}), "core/address": frozenset({"host"})},
    "io/net": {"io": frozenset({"tasks", "listening"})},
    "io/server": {"io": frozenset({"tasks", "listening"})},
    "io/tunnel": {"io": frozenset({"tasks"})},
    "io/webrtc": {"io": frozenset({"tasks"}), "io/tunnel": frozenset({"transport"})},
}
"""Every room, and the modules of its layer's other rooms that it may know.

A layer's own name stands for the modules beside its rooms; those know no room.
"""

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

    @property
    def room(self) -> str:
        """The folder inside a layer it lives in, as `core/tunnel`, or its layer."""
        return "/".join(self.path.parts[:2]) if len(self.path.parts) > 2 else self.layer

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


def room_of(parts: tuple[str, ...]) -> str:
    """Return the room of a dotted name, or its layer for a module beside the rooms."""
    is_room = PACKAGE.joinpath(*parts[:2]).is_dir()
    return "/".join(parts[:2]) if is_room else parts[0]


def crossings(module: Module) -> Iterator[tuple[str, str]]:
    """Each module of another room of its layer that a module imports, as (room, module)."""
    for name in module.imports():
        _, _, inside = name.partition("passerelle.")
        parts = inside.split(".")
        if parts[0] != module.layer or parts[0] not in LAYERS_WITH_ROOMS:
            continue
        room = room_of(tuple(parts))
        if room != module.room:
            depth = room.count("/") + 1
            yield room, parts[depth] if len(parts) > depth else "the whole room"


def whole_packages(module: Module) -> Iterator[str]:
    """Importing a layer or a room whole would hide which modules are used."""
    for name in module.imports():
        _, _, inside = name.partition("passerelle.")
        if inside in LAYERS_WITH_ROOMS or inside.replace(".", "/") in MAY_CROSS:
            yield f"imports {name} whole"


def stray_crossings(module: Module) -> Iterator[str]:
    allowed = MAY_CROSS.get(module.room, {})
    for room, name in crossings(module):
        if name not in allowed.get(room, frozenset()):
            yield f"of room {module.room} imports {name} of {room}"


def impurities(module: Module) -> Iterator[str]:
    if module.layer not in PURE_LAYERS:
        return
    allowed = ("passerelle", *PURE_STANDARD, *MAY_DEPEND_ON[module.layer])
    yield from (f"imports {name}" for name in module.imports() if not within(name, allowed))
    for node in module.nodes():
        name = node.func if isinstance(node, ast.Call) else None
        if isinstance(name, ast.Name) and name.id in IMPURE_BUILTINS:
            yield f"line {name.lineno}: {name.id}"


def stray_webrtc(module: Module) -> Iterator[str]:
    if module.path == Path("io/webrtc/ortc.py"):
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
    whole_packages,
    stray_crossings,
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
    (impurities, "core/x.py", "from datetime import datetime"),
    (impurities, "core/x.py", "import urllib.request"),
    (impurities, "core/x.py", "def f(path):\n    return open(path)"),
    (impurities, "wire/x.py", "print('x')"),
    (impurities, "wire/x.py", "import h2.connection"),
    (impurities, "wire/x.py", "def f():\n    from asyncio import sleep"),
    (stray_webrtc, "client/x.py", "import aiortc"),
    (stray_webrtc, "io/webrtc/x.py", "import aiortc"),
    (stray_crossings, "core/nat/x.py", "from passerelle.core.tunnel import session"),
    (stray_crossings, "core/nat/x.py", "from passerelle.core import tunnel"),
    (
        stray_crossings,
        "core/nat/x.py",
        "from passerelle.core.address.policy import ConnectionPolicy",
    ),
    (stray_crossings, "core/x.py", "from passerelle.core.nat.classifier import chance"),
    (stray_crossings, "io/tunnel/x.py", "import passerelle.io.webrtc.channel"),
    (stray_crossings, "io/net/x.py", "from passerelle.io.tunnel.tls import TlsPipe"),
    (whole_packages, "core/x.py", "from passerelle import core"),
    (whole_packages, "client/x.py", "from passerelle.core import tunnel"),
    (upward_imports, "listen.py", "from passerelle.client import pool"),
    (stray_webrtc, "io/tunnel/x.py", "from aioice.candidate import Candidate"),
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
    (whole_packages, "client/x.py", "from passerelle.core.tunnel import session"),
    (stray_crossings, "core/localport/x.py", "from passerelle.core.address.host import to_ascii"),
    (stray_crossings, "io/net/x.py", "from passerelle.io.tasks import race"),
    (stray_crossings, "io/tunnel/x.py", "from passerelle.core.tunnel.session import Session"),
    (stray_webrtc, "io/webrtc/ortc.py", "import aiortc"),
    (stray_tasks, "io/tasks.py", "import asyncio\nasyncio.create_task(f())"),
    (stray_tasks, "io/x.py", "group.create_task(f())"),
    (oversize, "io/x.py", "\n" * LONGEST_MODULE_LINES),
    (vague_names, "io/tasks.py", ""),
    (missing_tests, "wire/frames.py", ""),
    (missing_tests, "client/nothing_tests_this.py", ""),
]


def test_no_rule_is_untried() -> None:
    """Each rule is shown a module that breaks it and one that keeps it."""
    for examples in (BROKEN, SOUND):
        assert {rule for rule, _, _ in examples} == set(RULES)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_rule_catches(rule: Rule, path: str, text: str) -> None:
    """Each rule can fail."""
    assert list(rule(Module(Path(path), text)))


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_rule_allows(rule: Rule, path: str, text: str) -> None:
    """No rule forbids what the design asks for."""
    assert not list(rule(Module(Path(path), text)))


def test_every_room_tells_its_story() -> None:
    """A room's `__init__` says in 15 lines what it owns and what it uses, and holds no code."""
    rooms = {m.room for m in modules() if m.layer in LAYERS_WITH_ROOMS and m.room != m.layer}
    assert rooms == MAY_CROSS.keys()
    for room in rooms:
        tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
        story = ast.get_docstring(tree) or ""
        assert len(tree.body) == 1, f"{room}/__init__.py does more than tell"
        assert 3 <= story.count("\n") + 1 <= LONGEST_ROOM_STORY_LINES, room
        _, uses, used = story.partition("\nUses")
        assert uses, f"{room} does not say what it uses"
        layer = room.partition("/")[0]
        told = {
            room_of(tuple(name.split("."))) for name in re.findall(rf"`({layer}\.[\w.]+)`", used)
        }
        assert told == set(MAY_CROSS[room]), f"{room} says that it uses {told}"


def test_no_crossing_is_allowed_for_nothing() -> None:
    """What MAY_CROSS names exists: a crossing that is gone is taken off the list."""
    seen = {(m.room, *crossing) for m in modules() for crossing in crossings(m)}
    named = {
        (room, other, name)
        for room, others in MAY_CROSS.items()
        for other, names in others.items()
        for name in names
    }
    assert named <= seen, sorted(named - seen)


def test_rooms_have_no_cycle() -> None:
    """Rooms can be put in an order in which each knows only earlier ones."""
    graph = {
        room: {other for other in others if "/" in other} for room, others in MAY_CROSS.items()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MAY_CROSS)


def test_tests_mirror_the_rooms() -> None:
    """Each room has a folder of tests, and no folder of tests stands for a room that is gone."""
    for layer in LAYERS_WITH_ROOMS:
        folders = {f"{layer}/{p.name}" for p in (ROOT / "tests" / layer).iterdir() if p.is_dir()}
        assert {f for f in folders if not f.endswith("__")} == {
            room for room in MAY_CROSS if room.startswith(f"{layer}/")
        }


def test_every_limit_is_used() -> None:
    """A limit that nothing reads bounds nothing."""
    assert not unused_limits(modules())


def test_a_limit_that_nothing_reads_is_found() -> None:
    """Assigning it, or a docstring about it, is no use of it."""
    limits = Module(Path("limits.py"), 'ONE = 1\nTWO = 2\n"""More than ONE."""\nTHREE: int = ONE')
    user = Module(Path("io/x.py"), "from passerelle import limits\nprint(limits.THREE)\nTWO = 2")
    assert unused_limits([limits, user]) == {"TWO"}


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_says_what_it_bounds(name: str) -> None:
    """Each constant is followed by a sentence of its own: what is bounded, and why there."""
    source = Module(Path(name), (PACKAGE / name).read_text(encoding="utf-8"))
    assert not unexplained(source)


def test_a_limit_without_a_sentence_is_found() -> None:
    """No docstring, half a sentence, or one that leans on the line above."""
    text = 'A = 1\nB = 2\n"""Things: enough."""\nC: int = 3\n"""… and more."""\nD = 4\n"""things"""'
    assert unexplained(Module(Path("limits.py"), text)) == {"A", "C", "D"}


def unexplained(module: Module) -> set[str]:
    """The constants of a module that are not followed by a whole sentence."""
    body = ast.parse(module.text).body
    followed = {
        name
        for statement, after in itertools.pairwise(body)
        if isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and re.fullmatch(r"[A-Z][^…]*\.", str(after.value.value))
        for name in assigned(statement)
    }
    return constants(module) - followed


def unused_limits(sources: list[Module]) -> set[str]:
    """The constants of the modules of limits that no module reads, they included."""
    limits = [module for module in sources if str(module.path) in LIMITS]
    read = {name for module in sources for name in names_read(module)}
    return {name for module in limits for name in constants(module)} - read


def names_read(module: Module) -> Iterator[str]:
    for node in module.nodes():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def constants(module: Module) -> set[str]:
    """The names assigned at the top of a module."""
    return {name for node in ast.parse(module.text).body for name in assigned(node)}


def assigned(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))
