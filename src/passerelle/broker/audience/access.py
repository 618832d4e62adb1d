"""Who may see a publisher's figures: whoever shows its token, in a cookie or a header.

A token is never in an address, so it is in no log and no `Referer`. Wrong ones are counted for the
networks that they come from, and a network with too many is told to wait. A right one is taken all
the same: nobody guesses it, and strangers in its holder's network must not lock its holder out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from passerelle import serverlimits
from passerelle.core.bucket import Bucket
from passerelle.core.origin import parties
from passerelle.errors import PasserelleError
from passerelle.wire.publishers import Publisher, Publishers

COOKIE: Final = "passerelle-newsroom"
_BEARER: Final = "Bearer "


class NoToken(PasserelleError):
    """A request shows no token."""


class WrongToken(PasserelleError):
    """A request shows a token that no publisher has."""


class TooManyTries(PasserelleError):
    """A network sent so many wrong tokens that it is told to wait."""


class Access:
    """Finds whose token somebody shows. `now` is monotonic seconds."""

    def __init__(self, publishers: Callable[[], Publishers]) -> None:
        """`publishers` returns the present list."""
        self._publishers = publishers
        self._tries: OrderedDict[bytes, Bucket] = OrderedDict()
        """By the parties of origins (`core.origin`); who tried last stands last."""

    def holder(self, token: str, origin: bytes, now: float) -> Publisher:
        """Return whose token this is; `origin` is where it comes from.

        Raises WrongToken and TooManyTries.
        """
        found = self._publishers().holder(token)
        if found is not None:
            return found
        own = parties(origin)
        if any(key in self._tries and self._tries[key].left(now) < 1 for key, _ in own):
            raise TooManyTries
        burst, per_s = serverlimits.NEWSROOM_TRIES
        for key, shares in own:
            bucket = self._tries.get(key)
            if bucket is None:
                if len(self._tries) >= serverlimits.NEWSROOM_NETWORKS:
                    self._tries.popitem(last=False)
                bucket = self._tries[key] = Bucket(per_s * shares, burst * shares, now)
            self._tries.move_to_end(key)
            bucket.take(now)
        raise WrongToken


def token_in(request: web.Request) -> str:
    """Return the token in a request's cookie or header. Raises NoToken."""
    given = request.headers.get(hdrs.AUTHORIZATION, "")
    token = given.removeprefix(_BEARER) if given.startswith(_BEARER) else ""
    token = token or request.cookies.get(COOKIE, "")
    if not token:
        raise NoToken
    return token
