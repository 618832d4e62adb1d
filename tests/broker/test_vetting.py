"""Whose addresses a broker passes on: only those of the peer that named them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from passerelle.wire.description import Description, Setup
from passerelle.wire.rendezvous import Answer
from passerelle.wire.signalling import VolunteerAnswer
from tests.broker.parties import NETWORK, description, scene

NAMED = ("8.8.8.8", "8.8.8.77", "9.9.9.9", "10.0.0.1", "169.254.169.254", "2a00::1")
"""The peer's own, a neighbour's, a victim's, and some of the far side's own network."""


def addresses(found: Description) -> list[str]:
    return [candidate.ip for candidate in found.candidates]


@pytest.mark.parametrize(
    ("seen", "private", "kept"),
    [
        ("8.8.8.8", False, ["8.8.8.8", "8.8.8.77"]),
        ("::ffff:8.8.8.8", False, ["8.8.8.8", "8.8.8.77"]),
        ("8.8.8.8", True, ["8.8.8.8", "8.8.8.77", "10.0.0.1"]),
        ("2a00::5", False, ["2a00::1"]),
        ("127.0.0.1", False, ["8.8.8.8", "8.8.8.77", "9.9.9.9", "2a00::1"]),
        ("", False, ["8.8.8.8", "8.8.8.77", "9.9.9.9", "2a00::1"]),
    ],
)
async def test_peers_speak_for_their_own_addresses(
    seen: str, private: bool, kept: list[str]
) -> None:
    """Both ways: what a client offers to a volunteer, and what the volunteer answers."""
    network = msgspec.structs.replace(NETWORK, private_candidates=private)
    async with scene(seen, descriptor=network) as at:
        volunteer = await at.volunteer()
        offer = description(Setup.ACTPASS, *NAMED)
        asking = asyncio.ensure_future(at.ask(offer))
        offered = await volunteer.offered()
        assert addresses(offered.description) == kept
        assert offered.description.fingerprint == offer.fingerprint
        answer = description(Setup.ACTIVE, *NAMED)
        await volunteer.send(VolunteerAnswer(offered.offer, answer))
        (found,) = (await asking).answers
        assert isinstance(found, Answer)
        assert addresses(found.description) == kept
