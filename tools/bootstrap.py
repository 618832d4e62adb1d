"""Set this clone up on a machine that has only `python3` and `make`.

    python3 tools/bootstrap.py setup    .venv from uv.lock, and the widget built with npm
    python3 tools/bootstrap.py demo     the same, and a Chromium
    python3 tools/bootstrap.py test     the same, and the programs the tests drive
    python3 tools/bootstrap.py lock     bring uv.lock in line with pyproject.toml

It uses the standard library only. It may be repeated: steps that are done are skipped, and a stamp
over all inputs of a step shows within milliseconds that there is nothing to do.

System packages come from apt, if this is root on Debian or Ubuntu; otherwise a message says which
command to run. Everything else stays inside the clone: `.venv/`, `.tools/`, `widget/node_modules/`
`src/passerelle/_widget/`, `_reader/` and `_places/` beside it.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

# This check comes before any line that an older Python cannot run; Python 3.8 gets this far.
if sys.version_info < (3, 11):  # noqa: UP036 - nothing else has checked it yet
    sys.exit(
        f"set-up: Passerelle needs Python 3.11 or newer, and {sys.executable} is "
        f"{sys.version_info[0]}.{sys.version_info[1]}.\n"
        "        Run it with a newer one: make PYTHON=/path/to/python3 …"
    )

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
WIDGET = ROOT / "widget"
READER = ROOT / "reader"
BUILT_WIDGET = ROOT / "src" / "passerelle" / "_widget"
BUILT_READER = ROOT / "src" / "passerelle" / "_reader"

BUILT_PLACES = ROOT / "src" / "passerelle" / "_places"
PLACES = Path("node_modules", "@ip-location-db", "geo-whois-asn-country-mmdb")
"""The npm package with the database of countries, in the widget's folder."""
PLACES_NOTICE = """\
countries.mmdb is geo-whois-asn-country.mmdb of the npm package
@ip-location-db/geo-whois-asn-country-mmdb, unchanged but for its compression. Its publisher gives
it away under CC0-1.0. It is made of data of the Number Resource Organization, whose terms are:

"""

OLDEST_NODE = (20, 19)
"""The oldest Node that the widget's build and tests work with. An older one is passed over, not
upgraded."""

PROGRAMS = {
    "nft": "nftables",
    "ip": "iproute2",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
    "ndpiReader": "libndpi-bin",
    "curl": "curl",
    "gcc": "gcc",
    "openssl": "openssl",
    "nats-server": "nats-server",
    "firefox-esr": "firefox-esr",
    "WebKitWebDriver": "webkit2gtk-driver",
    "Xvfb": "xvfb",
    "php": "php-cli",
    "dig": "bind9-dnsutils",
    "mariadbd": "mariadb-server-core",
    "mini_httpd": "mini-httpd",
    "nginx": "nginx",
    "caddy": "caddy",
    "aria2c": "aria2",
    "git": "git",
    "zbarimg": "zbar-tools",
}
"""Programs that tests run, and the Debian package of each.

No test runs `mini_httpd`. WordPress' package wants some web server beside it: without this one,
which stays off, apt would take Apache and start it. `mariadb-server-core` starts nothing either.
"""

FILES = {
    "/usr/include/stdlib.h": "libc6-dev",
    "/usr/share/wordpress/wp-load.php": "wordpress",
    "/usr/share/wordpress/wp-content/themes/twentytwentythree": "wordpress-theme-twentytwentythree",
}
"""Files and folders that tests need (the lab compiles a small C program), and the package of
each. WordPress' package only recommends its theme, without which its pages are empty."""

NEEDS_BROWSER = ("demo", "test")
CHROME_PACKAGE = "wrtc"
"""Chrome's WebRTC. Not every machine has a wheel, and building it would mean building Chrome."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""The folders of `nft` and `ip`, which an ordinary user's PATH does not have."""

NO_WHEEL = 3
"""What `tools/wheels.py` ends with where no wheel fits."""

PATH = os.pathsep.join(
    folder
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
    if Path(folder) != VENV / "bin"
)
"""PATH without this clone's `.venv`, whose own Node would otherwise be taken for the system's."""

PYTHON: str = getattr(sys, "_base_executable", sys.executable)
"""The interpreter below any active virtual environment, `.venv` included."""


def main() -> None:
    """Run the set-up that the one argument names."""
    purpose = sys.argv[1] if len(sys.argv) == 2 else ""
    if purpose not in {"setup", "demo", "test", "lock"}:
        stop("usage: python3 tools/bootstrap.py setup|demo|test|lock")
    TOOLS.mkdir(exist_ok=True)
    with alone():
        provide_packages(missing_packages(purpose))
        if purpose == "lock":
            provide_uv()
            run([str(uv()), "lock"], "Locking")
            return
        provide_python()
        provide_widget()
        provide_places()
        if purpose in NEEDS_BROWSER and find_browser() is None:
            provide_playwright_browser()


def say(text: str) -> None:
    """Print one step of progress."""
    print(f"set-up: {text}", flush=True)


def stop(*lines: str) -> NoReturn:
    """End with a message for a person: what happened, why, and what to do next."""
    sys.exit("set-up: " + "\n        ".join(lines))


def certificates() -> dict[str, str]:
    """Return the variables by which pip and npm learn what `SSL_CERT_FILE` says.

    uv and OpenSSL read `SSL_CERT_FILE` themselves.
    """
    bundle = os.environ.get("SSL_CERT_FILE")
    return {"PIP_CERT": bundle, "NODE_EXTRA_CA_CERTS": bundle} if bundle else {}


def run(command: list[str], doing: str, *, cwd: Path = ROOT, env: Mapping[str, str] = {}) -> None:
    """Run a step and show its output; if it fails, stop and say what it was `doing`."""
    try:
        code = subprocess.run(
            command,
            cwd=cwd,
            env={**certificates(), **os.environ, **env},
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
    except OSError as error:
        stop(f"{doing} failed: cannot run {command[0]} ({error.strerror}).")
    if code:
        stop(
            f"{doing} failed (exit {code}); the reason is above. The command was:",
            f"  {' '.join(command)}",
            "Once the cause is gone, run make again; it continues where it stopped.",
        )


@contextmanager
def alone() -> Iterator[None]:
    """Hold the clone's set-up lock, so that two runs of `make` do not build the same thing."""
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- what the system must provide ---------------------------------------------------------------


def missing_packages(purpose: str) -> list[str]:
    """Return the Debian packages that `purpose` needs and this machine lacks."""
    missing = []
    if not uv().exists() and importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if purpose == "test":
        missing += [package for program, package in PROGRAMS.items() if not find(program)]
        missing += [package for file, package in FILES.items() if not Path(file).exists()]
    if purpose in NEEDS_BROWSER and find_browser() is None and not on_ubuntu():
        missing.append("chromium")
    return missing


def provide_packages(packages: list[str]) -> None:
    """Install `packages` with apt, or stop with a message that says how to."""
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if not find("apt-get"):
        stop(
            "This machine lacks programs that Debian and Ubuntu have in these packages:",
            f"  {' '.join(packages)}",
            "Install their like with your system's package manager, then run make again.",
        )
    if os.geteuid() != 0:
        stop(
            f"This machine lacks {', '.join(packages)}; only root can install that. Run",
            f"  sudo apt-get update && sudo {' '.join(command)}",
            "and then make again.",
        )
    say(f"installing {' '.join(packages)} with apt")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet=2"], "Reading apt's package lists", env=quiet)
    run([*command, "--quiet=2", "--option=Dpkg::Use-Pty=0"], "Installing with apt", env=quiet)


def find(program: str) -> str | None:
    """Return where `program` is, in the system's folders or in PATH; None if it is in neither."""
    return shutil.which(program, path=f"{PATH}:{SYSTEM_PATH}")


def find_browser() -> str | None:
    """Return the path of an installed Chromium or Chrome that is no snap; None without one.

    The answer is that of `passerelle.browser.find_chromium`, which cannot be imported yet.
    """
    if named := os.environ.get("PASSERELLE_CHROMIUM"):
        return shutil.which(named) or stop(
            f"PASSERELLE_CHROMIUM names {named}, which is not a program.",
            "Give it the path of a Chromium or Chrome, or unset it to have one found.",
        )
    for name in BROWSERS:
        if (path := find(name)) and not is_snap(Path(path)):
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright")).expanduser()
    return max(map(str, cache.glob("chromium-*/chrome-linux*/chrome")), default=None)


def is_snap(path: Path) -> bool:
    """Return whether `path` is a snap, or a script that asks for one."""
    real = path.resolve()
    if real.name == "snap" or real.is_relative_to("/snap"):
        return True
    with real.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"snap install" in head


def on_ubuntu() -> bool:
    """Return whether this is Ubuntu, where apt's Chromium only installs a snap."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return "ID=ubuntu" in release.splitlines()


def provide_playwright_browser() -> None:
    """Install Playwright's Chromium, as Ubuntu's is a snap, which confines what tests need."""
    command = [str(VENV / "bin" / "playwright"), "install", "--with-deps", "chromium"]
    if os.geteuid() != 0:
        stop(
            "No Chromium or Chrome was found. Ubuntu packages Chromium only as a snap, whose",
            "confinement keeps it from being driven. Install Google Chrome, or a Chromium with",
            f"  {' '.join(command)}",
            "and run make again. If you have one elsewhere, name it: PASSERELLE_CHROMIUM=/path",
        )
    say("installing Chromium with Playwright (Ubuntu's own package is a snap)")
    run(command, "Installing Chromium")


# --- what stays inside the clone ----------------------------------------------------------------


def provide_python() -> None:
    """Make `.venv` exactly what uv.lock says."""
    groups = ["--group", "node"] if needs_node_wheel() else []
    inputs = [ROOT / "pyproject.toml", ROOT / "uv.lock", ROOT / "tools" / "uv.txt", Path(__file__)]
    key = digest(inputs, *groups)
    if fresh("python", key) and (VENV / "bin" / "python").exists():
        return
    provide_uv()
    say("installing Python packages into .venv")
    # An environment that works is kept, even if PATH has another python3 now.
    python = [] if (VENV / "bin" / "python").exists() else ["--python", PYTHON]
    sync = [str(uv()), "sync", "--quiet", "--locked", "--no-python-downloads", *python, *groups]
    # uv would otherwise use a virtual environment that happens to be active.
    env = {"UV_PROJECT_ENVIRONMENT": str(VENV), "VIRTUAL_ENV": ""}
    run([*sync, "--no-install-package", CHROME_PACKAGE], "Installing Python packages", env=env)
    if has_wheel(CHROME_PACKAGE):
        run([*sync, "--no-build-package", CHROME_PACKAGE], "Installing Chrome's WebRTC", env=env)
    else:
        say(f"no wheel of {CHROME_PACKAGE} fits this machine: tests of Chrome's WebRTC are skipped")
    remember("python", key)


def has_wheel(package: str) -> bool:
    """Return whether a wheel of a locked package fits `.venv`, which has everything else."""
    ask = [str(VENV / "bin" / "python"), "-m", "tools.wheels", package]
    code = subprocess.run(ask, cwd=ROOT, check=False).returncode
    if code not in {0, NO_WHEEL}:
        stop(f"Asking for a wheel of {package} failed (exit {code}); the reason is above.")
    return code == 0


def uv() -> Path:
    """Return where this clone's uv is, once `provide_uv` has run."""
    return TOOLS / "uv" / "bin" / "uv"


def provide_uv() -> None:
    """Install the pinned uv with pip, in its own virtual environment."""
    requirements = ROOT / "tools" / "uv.txt"
    key = digest([requirements])
    if fresh("uv", key) and uv().exists():
        return
    say("installing uv into .tools")
    home = TOOLS / "uv"
    run([PYTHON, "-m", "venv", "--clear", str(home)], "Making a virtual environment")
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    run(
        [*pip, "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements)],
        "Installing uv",
        env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    remember("uv", key)


@functools.cache
def needs_node_wheel() -> bool:
    """Return whether Node must come from a Python package, as there is none here or an old one."""
    if not (WIDGET / "package.json").exists():
        return False
    node = shutil.which("node", path=PATH)
    if node is None or shutil.which("npm", path=PATH) is None:
        return True
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    numbers = answer.stdout.strip().removeprefix("v").split(".")[:2]
    return not all(map(str.isdecimal, numbers)) or tuple(map(int, numbers)) < OLDEST_NODE


def provide_widget() -> None:
    """Install the widget's npm packages and build the widget, where anything has changed."""
    if not (WIDGET / "package.json").exists():
        return
    path = f"{VENV / 'bin'}{os.pathsep}{PATH}" if needs_node_wheel() else PATH
    env = {"PATH": path, "npm_config_update_notifier": "false"}
    npm = shutil.which("npm", path=path) or "npm"
    manifests = [WIDGET / "package.json", WIDGET / "package-lock.json"]
    packages = digest(manifests, str(needs_node_wheel()))
    if not (fresh("npm", packages) and (WIDGET / "node_modules").exists()):
        say("installing npm packages into widget/node_modules")
        install = [npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"]
        run(install, "Installing npm packages", cwd=WIDGET, env=env)
        remember("npm", packages)
    sources = digest(widget_sources(), packages)
    if not (fresh("widget", sources) and BUILT_WIDGET.exists() and BUILT_READER.exists()):
        say("building the widget and the reading page")
        run([npm, "run", "--silent", "build"], "Building them", cwd=WIDGET, env=env)
        remember("widget", sources)


def provide_places() -> None:
    """Put the database of countries beside the program, where npm has brought a new one."""
    source = WIDGET / PLACES
    if not source.exists():
        return
    key = digest([source / "package.json"], PLACES_NOTICE)
    if not (fresh("places", key) and BUILT_PLACES.exists()):
        say("packing the database of countries")
        build_places(source, BUILT_PLACES)
        remember("places", key)


def build_places(source: Path, to: Path) -> None:
    """Pack the npm package's database into the folder `to`, with the terms of its data."""
    to.mkdir(exist_ok=True)
    raw = (source / "geo-whois-asn-country.mmdb").read_bytes()
    # The first preset that is as good as the best here: it packs the file to a quarter.
    (to / "countries.mmdb.xz").write_bytes(lzma.compress(raw, preset=6))
    terms = (source / "NRO_LICENSE").read_text(encoding="utf-8")
    (to / "NOTICE").write_text(PLACES_NOTICE + terms + "\n", encoding="utf-8")


def widget_sources() -> Iterator[Path]:
    """Yield every file that the build of widget and reading page may read, in a fixed order."""
    for top in (WIDGET, READER):
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(name for name in folders if name not in {"node_modules", "dist"})
            yield from (Path(folder, name) for name in sorted(files))


# --- stamps -------------------------------------------------------------------------------------


def digest(files: Iterator[Path] | list[Path], *words: str) -> str:
    """Return a hash of the names and contents of `files`, and of `words`."""
    total = hashlib.sha256(repr(words).encode())
    for file in files:
        content = file.read_bytes() if file.exists() else b""
        total.update(f"{file} {len(content)}\n".encode() + content)
    return total.hexdigest()


def fresh(step: str, key: str) -> bool:
    """Return whether `step` was last done with the same inputs."""
    stamp = TOOLS / f"{step}.stamp"
    return stamp.exists() and stamp.read_text(encoding="ascii") == key


def remember(step: str, key: str) -> None:
    """Record that `step` was done with these inputs."""
    (TOOLS / f"{step}.stamp").write_text(key, encoding="ascii")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("interrupted; run make again and it continues where it stopped.")
