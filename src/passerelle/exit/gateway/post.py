"""Sealed requests that come as bodies of `POST /v1/gateway`, where no volunteer can be reached.

Doors bring them (`docs/PROTOCOL.md` §10), or readers by themselves. The body is one sealed request,
the answer's body the sealed answer. What is not sealed to a key of these days is a stranger's, who
is shown the decoy site on this path as on every other.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web

from passerelle import limits
from passerelle.core.shares import ShareTable
from passerelle.errors import PeerError
from passerelle.exit.gateway.doorcounts import GatewayDoorCounts
from passerelle.exit.gateway.gateway import AnswerStopped, Gateway
from passerelle.exit.gateway.turns import Reader
from passerelle.io.server.web import FOR_PAGES, body_of, disconnected
from passerelle.io.tasks import race
from passerelle.wire import doors
from passerelle.wire.gatewayframes import FRAME_HEADER_BYTES, Reset
from passerelle.wire.oblivious import HEADER_BYTES

POST_PATH: Final = "/v1/gateway"
CONTENT_TYPE: Final = "message/ohttp-chunked-res"
"""Media type of a sealed answer (draft-ietf-ohai-chunked-ohttp-08 §6)."""

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **FOR_PAGES}
"""A door that is nginx passes the answer on as it comes."""
_STATUS: Final[dict[Reset | None, HTTPStatus]] = {
    Reset.REPLAYED: HTTPStatus.CONFLICT,
    Reset.LIMIT: HTTPStatus.TOO_MANY_REQUESTS,
    Reset.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""How a request is told that gets no answer; any other reset is 502."""
_STRANGERS: Final = frozenset({Reset.MALFORMED, Reset.KEY})


class GatewayPosts:
    """Answers such requests. At most `limits.GATEWAY_POSTS` are under way.

    What they have brought is bounded, too, because anybody can send the beginning of a request and
    hold it back: the header that it needs is public.
    """

    def __init__(self, gateway: Gateway, door_counts: GatewayDoorCounts) -> None:
        self._gateway = gateway
        self._door_counts = door_counts
        self._under_way: ShareTable[_Post] = ShareTable(limits.GATEWAY_POSTS)
        """By whom they count for: when there are too many, whoever has most loses one."""
        self._pieces: ShareTable[tuple[_Post, int]] = ShareTable(limits.GATEWAY_POSTS_PIECES)
        """What they have brought beyond a first piece each, by whom it counts for."""

    async def answer(self, request: web.Request, asker: bytes) -> web.StreamResponse | None:
        """Answer a request that counts for `asker`; return None for a stranger's.

        The body is judged on every path, so that the time it takes is the same on all.
        """
        post = _Post(self._gateway, request)
        gone = self._under_way.add(post, asker)
        if gone is not None:
            gone.give_up()
        pieces = arrived = 0

        def wanted(body: bytes | bytearray) -> bool:
            nonlocal pieces, arrived
            arrived = len(body)
            if not self._is_ours(body):
                return False
            while pieces < len(body) // limits.GATEWAY_POSTS_PIECE_BYTES:
                pieces += 1
                over = self._pieces.add((post, pieces), asker)
                if over is not None:
                    over[0].give_up()
            return True

        arriving = body_of(
            request,
            most=limits.GATEWAY_REQUEST_BYTES,
            within_s=limits.GATEWAY_ARRIVAL_S,
            wanted=wanted,
        )
        try:
            message = await race(arriving, until=post.given_up())
            if request.path != POST_PATH:
                return None
            if message is not None:
                return await post.run(message)
            # Whoever sent a piece has shown that it knows the key.
            return post.refusal() if pieces else None
        except PeerError:
            return None
        finally:
            self._under_way.discard(post)
            for number in range(1, pieces + 1):
                self._pieces.discard((post, number))
            if request.path == POST_PATH:
                key = request.headers.get(doors.HEADER, "")
                self._door_counts.ended(key, arrived, post.answer_bytes)

    def _is_ours(self, begin: bytes | bytearray) -> bool:
        """Whether a body that begins so may be sealed to a key of this gateway."""
        return len(begin) < HEADER_BYTES or self._gateway.has_key_for(bytes(begin[:HEADER_BYTES]))


class _Post:
    """One request under way, and its answer; see `gateway.Reply`."""

    def __init__(self, gateway: Gateway, request: web.Request) -> None:
        self._gateway = gateway
        self._request = request
        self._response: web.StreamResponse | None = None
        self._code: Reset | None = None
        """Why there is no answer, or no more of it."""
        self.answer_bytes = 0
        """What was sent of the sealed answer."""
        self._given_up = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def give_up(self) -> None:
        """End the request, or break its answer off: others have less. Idempotent."""
        self._give_up(Reset.LIMIT)

    async def given_up(self) -> None:
        """Wait for that."""
        await self._given_up.wait()

    def refusal(self) -> web.Response:
        """Return what tells that there is no answer."""
        return web.Response(
            status=_STATUS.get(self._code, HTTPStatus.BAD_GATEWAY), headers=_HEADERS
        )

    async def run(self, message: bytes) -> web.StreamResponse | None:
        """Answer, and return the response; None if the message is not sealed to this gateway."""
        if self._gateway.draining:
            self.reset(Reset.DRAINING)
        else:
            answering = self._gateway.answer(1, message, self)
            await race(race(answering, until=self.given_up()), until=disconnected(self._request))
        if self._response is None:
            if self._code in _STRANGERS:
                return None
            return self.refusal()
        transport = self._request.transport
        if transport is not None and self._code is not None:
            # Without its last chunk an answer is not taken for complete. Its reader is not to wait.
            transport.abort()
        return self._response

    async def send(self, frame: bytes, reader: Reader | None) -> None:
        """See `gateway.Reply.send`: credit is what the connection takes."""
        sealed = frame[FRAME_HEADER_BYTES:]
        try:
            async with asyncio.timeout(self._gateway.settings.stalled_s):
                if self._response is None:
                    self._response = web.StreamResponse(headers=_HEADERS)
                    self._response.content_type = CONTENT_TYPE
                    await self._response.prepare(self._request)
                if reader is not None:
                    await reader.turn(len(sealed))
                await self._response.write(sealed)
        except (TimeoutError, ConnectionError) as error:
            # The reader is gone or takes nothing, so the site is asked for no more.
            self._give_up(Reset.BROKEN)
            raise AnswerStopped from error
        self.answer_bytes += len(sealed)
        self._gateway.counts.bytes.by_value[""] += len(sealed)
        wait_s = 0.0 if reader is None else reader.account.answer(len(sealed), self._loop.time())
        await asyncio.sleep(wait_s)

    def reset(self, code: Reset) -> None:
        """See `gateway.Reply.reset`."""
        if self._code is None:
            self._gateway.counts.resets.add(value=code.name.lower())
        self._code = code

    def _give_up(self, code: Reset) -> None:
        self.reset(code)
        self._given_up.set()
