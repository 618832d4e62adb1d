"""A real WordPress with the plugin as a door."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from passerelle.demo import herald
from passerelle.io.server.web import WebServer
from passerelle.keyring import Keyring
from tests.network import HOST
from tests.rig.behinddoor import BehindDoor, hidden_network
from tests.rig.wordpress import WordPress, database, wordpress

WORKERS: Final = 8
_TURN_ON = """passerelle_door_clear();
    delete_option( 'passerelle_door_exits' );
    update_option( 'passerelle_door', array( 'on' => '1', 'key' => $given['key'] ) );
    return passerelle_door_url();"""


class WordPressDoor:
    """A WordPress that can be made a door."""

    def __init__(self, paper: WordPress) -> None:
        self.paper = paper
        self.url = f"{paper.url}/index.php/passerelle-door"
        """The door's base URL, without permalinks."""

    async def turn_on(self, network: str, key: str) -> None:
        """Make it a door with `key` to the network of an invite."""
        await self.paper.reset(network=network)
        assert await self.paper.run(_TURN_ON, key=key) == self.url

    async def fault(self) -> str:
        """Return why the plugin says that it is no door; nothing if it is one."""
        return str(await self.paper.run("return passerelle_door_fault();"))


@asynccontextmanager
async def wordpress_door() -> AsyncIterator[WordPressDoor]:
    """Run a WordPress in a folder of its own."""
    # A socket's path may have at most 107 characters; pytest's own folders may be deeper.
    with tempfile.TemporaryDirectory(prefix="wordpress-") as name:
        folder = Path(name)
        (folder / "door").mkdir()
        async with (
            database(folder) as running,
            wordpress(running, folder / "door", workers=WORKERS) as paper,
        ):
            yield WordPressDoor(paper)
            assert paper.complaints() == [], paper.complaints()


@asynccontextmanager
async def behind_a_wordpress(broker_port: int) -> AsyncIterator[BehindDoor]:
    """Run a newspaper's network whose broker is at `broker_port`, and a WordPress as its door."""
    async with WebServer(herald.newspaper(), HOST, 0) as site, wordpress_door() as door:
        keys = Keyring.generate()
        servers, own = hidden_network(site.port, door.url, keys, broker_port)
        await door.turn_on(str(servers.invite.plain), servers.door_keys[door.url])
        async with servers, aiohttp.ClientSession() as http:
            assert await door.fault() == ""
            yield BehindDoor(
                servers, keys, door.url, own, f"http://{herald.NAME}:{site.port}", http
            )
