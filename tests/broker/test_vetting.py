"""Whose addresses a broker passes on: only those of the peer that named them."""

from __future__ import annotations

import asyncio
import ipaddress

import msgspec
import pytest

from passerelle.wire import rendezvous
from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer
from passerelle.wire.signalling import VolunteerAnswer
from tests.broker.parties import NETWORK, Volunteer, description, new_request, proved, scene, seal

PROXY = (ipaddress.ip_network("127.0.0.0/8"),)
NAMED = ("10.0.0.1", "8.8.8.8", "8.8.8.77", "9.9.9.9", "169.254.169.254", "2a00::1")
"""Some of the far side's own network, an address, its neighbour's, a victim's."""


def addresses(found: Description) -> list[str]:
    return [candidate.ip for candidate in found.candidates]


@pytest.mark.parametrize(
    ("seen", "private", "kept"),
    [
        ("8.8.8.8", False, ["8.8.8.8", "8.8.8.77"]),
        ("8.8.8.8", True, ["10.0.0.1", "8.8.8.8", "8.8.8.77"]),
        ("2a00::5", False, ["2a00::1"]),
        ("1.1.1.1", False, []),
        ("192.168.1.1", False, []),
        ("nonsense", False, []),
    ],
)
@pytest.mark.parametrize("who", ["client", "volunteer"])
async def test_peers_speak_for_their_own_addresses(
    who: str, seen: str, private: bool, kept: list[str]
) -> None:
    """Both ways: what a client offers to a volunteer, and what the volunteer answers."""
    network = msgspec.structs.replace(NETWORK, private_candidates=private)
    headers = {
        name: {"X-Forwarded-For": seen if name == who else "93.184.216.34"}
        for name in ("client", "volunteer")
    }
    async with scene(trusted_proxies=PROXY, descriptor=network, proof_bits=4) as here:
        url = here.url + "/v1/volunteer"
        volunteer = Volunteer(await here.http.ws_connect(url, headers=headers["volunteer"]))
        await volunteer.hello()
        offer, answer = (description(setup, *NAMED) for setup in (Setup.ACTPASS, Setup.ACTIVE))
        request, key = proved(*new_request(offer), 4)
        url = here.url + "/v1/rendezvous"
        asking = asyncio.ensure_future(
            here.http.post(url, data=seal(request), headers=headers["client"])
        )
        offered = await volunteer.offered()
        await volunteer.send(VolunteerAnswer(offered.offer, answer))
        async with await asking as response:
            reply = rendezvous.open_reply(await response.read(), key, request)
        (found,) = reply.answers
        assert isinstance(found, Answer)
        passed = {"client": offered.description, "volunteer": found.description}
        assert addresses(passed[who]) == kept
        assert passed["client"].fingerprint == offer.fingerprint
        assert passed["volunteer"].fingerprint == answer.fingerprint
