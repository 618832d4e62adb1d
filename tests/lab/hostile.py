"""Peers that give a victim's address as their own, to make others send packets there.

`python -m tests.lab.hostile client INVITE VICTIM` offers the address to a volunteer, first through
the broker and then over the link that it has got. `python -m tests.lab.hostile volunteer URL VICTIM
OWN` answers clients with it.
"""

from __future__ import annotations

import asyncio
import secrets
import sys

import aiohttp

from passerelle.client.brokers import Brokers
from passerelle.client.config import ClientConfig
from passerelle.errors import LinkLost
from passerelle.io.webrtc.channel import ChannelOffer
from passerelle.wire import control, signalling
from passerelle.wire.control import Lane
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.invite import parse
from passerelle.wire.rendezvous import Answer
from passerelle.wire.signalling import BrokerOffer, VolunteerAnswer, VolunteerHello

CHECKS_S = 6.0
"""How long to stay, in which a browser checks each candidate several times."""


def aimed(description: Description, victim: str) -> Description:
    """Return `description` with the victim's address before its own candidates."""
    targets = [Candidate(kind, victim, 40_000 + n) for n, kind in enumerate(CandidateKind)]
    return description.with_candidates([*targets, *description.candidates])


class _Listener:
    def message_received(self, message: bytes) -> None:
        """No message comes, because nobody answers the exit's TLS."""

    def control_received(self, text: str) -> None:
        print(f"relay: {type(control.decode(text)).__name__}", flush=True)

    def windows_changed(self) -> None:
        pass

    def transport_lost(self, error: LinkLost) -> None:
        print(f"lost: {error}", flush=True)


async def client(invite_text: str, victim: str) -> None:
    invite = parse(invite_text)
    async with Brokers(ClientConfig(invite=invite)) as brokers:
        await brokers.load()
        offer, lane = [await ChannelOffer.gather() for _ in range(2)]
        reply = await brokers.ask(
            (aimed(offer.description, victim),),
            exit_id=None,
            avoid=(),
            lanes=1,
        )
        (answer,) = reply.answers
        assert isinstance(answer, Answer), answer
        transport = await offer.connect(answer.description, timeout_s=20)
        print("connected", flush=True)
        transport.start(_Listener())
        (ticket,) = answer.lane_tickets
        asked = Lane(0, ticket, aimed(lane.description, victim))
        transport.send_control(control.encode(asked))
        await asyncio.sleep(CHECKS_S)
        print("done", flush=True)


async def volunteer(url: str, victim: str, own: str) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/volunteer") as socket:
        hello = VolunteerHello(signalling.VERSION, "hostile", 4)
        await socket.send_str(signalling.encode(hello))
        print("ready", flush=True)
        async for frame in socket:
            message = signalling.decode_from_broker(frame.data)
            if isinstance(message, BrokerOffer):
                mine = Description(
                    "abcd",
                    "p" * 22,
                    secrets.token_bytes(32),
                    Setup.ACTIVE,
                    (Candidate(CandidateKind.HOST, own, 45_000),),
                )
                answer = VolunteerAnswer(message.offer, aimed(mine, victim))
                await socket.send_str(signalling.encode(answer))
                print("answered", flush=True)


if __name__ == "__main__":
    role, *words = sys.argv[1:]
    asyncio.run(client(*words) if role == "client" else volunteer(*words))
