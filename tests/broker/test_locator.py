from __future__ import annotations

import pytest

from passerelle.wire import doors, rendezvous
from passerelle.wire.rendezvous import Refusal
from tests.broker.parties import SEAL_KEY, Scene, new_request, proved, scene, seal

DOOR = "https://news.example/passerelle"


async def refusal(here: Scene, key: str, *, prove: bool) -> Refusal | None:
    """Return how a reader is refused whose request comes with a door's `key`."""
    request, reply_key = new_request()
    if prove:
        request, reply_key = proved(request, reply_key)
    url, fields = here.url + "/v1/rendezvous", {doors.HEADER: key}
    async with here.http.post(url, data=seal(request), headers=fields) as response:
        sealed = await response.read()
    return rendezvous.open_reply(sealed, reply_key, request).refusal


@pytest.mark.parametrize("door", [DOOR, DOOR + "/elsewhere"])
async def test_a_door_is_known_by_its_key(door: str) -> None:
    """Its readers are not taken for its own address: they are a crowd that nobody has seen."""
    async with scene(doors=(DOOR,), proof_bits=8) as here:
        known = door == DOOR
        key = doors.door_key(SEAL_KEY, door)
        assert await refusal(here, key, prove=False) is (Refusal.PROOF if known else None)
        assert await refusal(here, key, prove=True) is None
