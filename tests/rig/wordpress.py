"""A real WordPress, from Debian's package, with its own MariaDB and PHP's own web server.

Each lives in a temporary folder and listens on loopback or on a socket in that folder. What was
started is ended at the end, and nothing else is.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.rig.frontserver import listening
from tests.rig.ports import free_port
from tests.rig.program import Program

HOST: Final = "127.0.0.1"
ADMIN: Final = "admin"
PASSWORD: Final = "correct horse battery staple"
PLUGIN: Final = Path(__file__).resolve().parents[2] / "integrations" / "wordpress"
FILTERS: Final = Path(__file__).parent / "wordpress_parts" / "filters"
"""What plugins that cache and optimise do to a page, one file each."""
THEMES: Final = Path(__file__).parent / "wordpress_parts" / "themes"
STORIES: Final = Path(__file__).parent / "wordpress_parts" / "stories.php"
PACKAGE: Final = Path("/usr/share/wordpress")
RUN_S: Final = 30.0
_CONFIG: Final = """<?php
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? '{host}';
define( 'DB_NAME', '{name}' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'AUTH_KEY', 'a' );
define( 'SECURE_AUTH_KEY', 'b' );
define( 'LOGGED_IN_KEY', 'c' );
define( 'NONCE_KEY', 'd' );
define( 'AUTH_SALT', 'e' );
define( 'SECURE_AUTH_SALT', 'f' );
define( 'LOGGED_IN_SALT', 'g' );
define( 'NONCE_SALT', 'h' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', __DIR__ . '/debug.log' );
// The site asks nobody on the Internet, and not itself either: PHP's server has one worker.
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'FS_METHOD', 'direct' );
{more}
$table_prefix = 'wp_';
defined( 'ABSPATH' ) || define( 'ABSPATH', __DIR__ . '/' );
require_once ABSPATH . 'wp-settings.php';
"""
_NETWORK: Final = """
// While the tables of a network are made, WordPress must not look for them yet.
define( 'MULTISITE', ! defined( 'WP_INSTALLING' ) );
define( 'SUBDOMAIN_INSTALL', false );
define( 'DOMAIN_CURRENT_SITE', '{host}' );
define( 'PATH_CURRENT_SITE', '/' );
define( 'SITE_ID_CURRENT_SITE', 1 );
define( 'BLOG_ID_CURRENT_SITE', 1 );"""
_INSTALL: Final = """define( 'WP_INSTALLING', true );
define( 'WP_SITEURL', 'http://%(host)s' );
require getcwd() . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'The Morning Heron', '%(admin)s', 'admin@paper.example', true, '', '%(password)s' );
update_option( 'permalink_structure', '' );
"""
_MAKE_NETWORK: Final = """foreach ( $wpdb->tables( 'ms_global' ) as $table => $prefixed ) {
	$wpdb->$table = $prefixed;
}
install_network();
$made = populate_network( 1, '%(host)s', 'admin@paper.example', 'The Morning Heron', '/', false );
is_wp_error( $made ) && die( $made->get_error_message() );
"""


class Database:
    """A MariaDB server with an empty data folder; `database` starts it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def create(self, name: str) -> None:
        """Make an empty database."""
        await _run(
            "mariadb",
            "--no-defaults",
            f"--socket={self.socket}",
            "--user=root",
            f"--execute=CREATE DATABASE {name} CHARACTER SET utf8mb4",
        )


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Database]:
    """Run a MariaDB server without a network port; its socket's path must stay short."""
    data, socket = folder / "db", folder / "db.sock"
    # An ordinary user may name nobody else; root must say that root is meant.
    user = ["--user=root"] if os.geteuid() == 0 else []
    await _run(
        *("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *user),
        "--auth-root-authentication-method=normal",
    )
    server = Program(
        *(_program("mariadbd"), "--no-defaults", f"--datadir={data}", *user),
        *(f"--socket={socket}", "--skip-networking", f"--pid-file={folder / 'db.pid'}"),
        *("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"),
    )
    async with server:
        await server.expect("ready for connections")
        yield Database(socket)


class WordPress:
    """One installation with one administrator, and with the plugin's files in their place.

    `wordpress` starts it.
    """

    def __init__(self, root: Path, host: str, port: int) -> None:
        self.root = root
        self.host = f"{host}:{port}"
        """Host and port, as the browser's address bar shows them."""
        self.port = port

    @property
    def interpreter(self) -> tuple[str, ...]:
        """PHP with its options: no mail leaves the machine, and WordPress is compiled once only."""
        cache = self.root.parent / "opcache"
        cache.mkdir(exist_ok=True)
        options = {
            "sendmail_path": "/bin/true",
            "opcache.enable_cli": "1",
            "opcache.file_cache": cache,
            "opcache.revalidate_freq": "0",
        }
        words = [f"-d{name}={value}" for name, value in options.items()]
        return (_program("php"), *words)

    @property
    def url(self) -> str:
        """The URL of the front page, without a slash at its end."""
        return f"http://{self.host}"

    @property
    def plugin(self) -> Path:
        """Where the plugin's files are."""
        return self.root / "wp-content" / "plugins" / "passerelle"

    async def run(self, code: str, **given: Any) -> Any:
        """Run PHP `code` in WordPress and return its value by JSON; `$given` is what is given."""
        return json.loads(
            await self.php(
                "require getcwd() . '/wp-load.php';"
                "require_once ABSPATH . 'wp-admin/includes/plugin.php';"
                f"$given = json_decode( base64_decode( '{_base64(given)}' ), true );"
                f"$told = ( function () use ( $given ) {{ {code} }} )();"
                "echo json_encode( $told, JSON_THROW_ON_ERROR );"
            )
        )

    async def php(self, code: str) -> str:
        """Run PHP `code` before WordPress is loaded, and return what it prints."""
        return await _run(*self.interpreter, text=f"<?php {code}", folder=self.root)

    async def reset(self, *, theme: str = "classic", **settings: str) -> None:
        """Bring the plugin's files back, activate it, and store `settings` and nothing else.

        `theme` is one of `THEMES`; no widget is left in it.
        """
        self.filter()
        shutil.copytree(PLUGIN, self.plugin, dirs_exist_ok=True)
        await self.run(
            """wp_set_current_user( 1 );
            deactivate_plugins( 'passerelle/passerelle.php', true );
            delete_option( 'passerelle_settings' );
            update_option( 'sidebars_widgets', array( 'wp_inactive_widgets' => array() ) );
            update_option( 'widget_block', array() );
            switch_theme( $given['theme'] );
            $given['settings'] && update_option( 'passerelle_settings', $given['settings'] );
            return activate_plugin( 'passerelle/passerelle.php' );""",
            settings=settings,
            theme=theme,
        )

    def filter(self, *names: str) -> None:
        """Have exactly these files of `FILTERS` work on each page, as plugins that must be used."""
        folder = self.root / "wp-content" / "mu-plugins"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.root / "wp-content" / "cache", ignore_errors=True)
        folder.mkdir()
        for name in names:
            shutil.copy(FILTERS / f"{name}.php", folder)

    async def post(self, content: str) -> str:
        """Publish a page and return its URL."""
        number = await self.run(
            """return wp_insert_post( array(
            'post_title' => 'Herons', 'post_content' => $given['content'],
            'post_type' => 'page', 'post_status' => 'publish' ) );""",
            content=content,
        )
        return f"{self.url}/?page_id={number}"

    async def publish(self, picture: bytes) -> None:
        """Fill it as a newspaper's: stories with a PNG `picture`, a menu, comments, an archive."""
        self.filter()
        code = STORIES.read_text().removeprefix("<?php")
        await self.run(code, picture=base64.b64encode(picture).decode())

    def complaints(self) -> list[str]:
        """Return what PHP and WordPress have logged about the plugin's files."""
        log = self.root / "debug.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if "passerelle" in line]


@asynccontextmanager
async def wordpress(
    database: Database, folder: Path, *, network: bool = False, host: str = HOST, workers: int = 1
) -> AsyncIterator[WordPress]:
    """Install and serve a WordPress in `folder`, known as `host`; with `network` as a multisite.

    With more `workers` it answers several requests at once.
    Debian's package reads its configuration from /etc, so what is served is a copy.
    """
    assert PACKAGE.exists(), "WordPress is missing: run `make setup-test`"
    root, name = folder / "paper", f"paper_{folder.name}"
    shutil.copytree(PACKAGE, root)
    shutil.copytree(THEMES, root / "wp-content" / "themes", dirs_exist_ok=True)
    site = WordPress(root, host, free_port())
    words = {"host": site.host, "name": name, "socket": database.socket}
    more = _NETWORK.format(**words) if network else ""
    (root / "wp-config.php").write_text(_CONFIG.format(**words, more=more))
    await database.create(name)
    install = _INSTALL % {"admin": ADMIN, "password": PASSWORD, "host": site.host}
    await site.php(install + (_MAKE_NETWORK % words if network else ""))
    line = (*site.interpreter, "-S", f"{HOST}:{site.port}", "-t", str(root))
    many = {"PHP_CLI_SERVER_WORKERS": str(workers)} if workers > 1 else {}
    async with listening(line, site.port, folder, **many):
        yield site


def _base64(given: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(given).encode()).decode()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing: run `make setup-test`"
    return found


async def _run(name: str, *words: str, text: str = "", folder: Path | None = None) -> str:
    """Return what a program prints; AssertionError with all of it if the program fails."""
    process = await asyncio.create_subprocess_exec(
        _program(name), *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=folder
    )
    async with asyncio.timeout(RUN_S):
        output, errors = await process.communicate(text.encode())
    assert process.returncode == 0, (output + errors).decode(errors="replace")
    return output.decode()
