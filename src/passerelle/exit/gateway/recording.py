"""An answer of the site that several readers follow, while it comes and afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from passerelle.exit.gateway.refusals import Refusal, RequestRefused
from passerelle.exit.gateway.site import SiteAnswer
from passerelle.wire.binaryhttp import Fields


class Recording:
    """An answer that is read once and followed by many.

    It is read at the site's pace and not at the pace of a reader. One that grows too long is its
    owner's alone: the others are broken off, and ask again.
    """

    def __init__(self, answer: SiteAnswer, most_bytes: int, chosen: Fields) -> None:
        """Beyond `most_bytes` of content it is the owner's alone.

        `chosen` are the fields of the request that the answer depends on.
        """
        self.status = answer.status
        self.fields = answer.fields
        self.selecting = chosen
        self._answer = answer
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self.size = 0
        """Bytes of content so far."""
        self._complete = False
        self._failed: RequestRefused | None = None
        self._too_long = False
        self._owned = True
        self._news = asyncio.Event()

    @property
    def is_complete(self) -> bool:
        """Whether the whole answer is here."""
        return self._complete

    @property
    def content(self) -> bytes:
        """The whole content, once it is complete."""
        return b"".join(self._pieces)

    async def run(self) -> None:
        """Read the answer, until it ends or is too long."""
        try:
            async for data in self._answer.content():
                if not data:
                    continue
                self._pieces.append(data)
                self.size += len(data)
                self._tell()
                if self.size > self._most_bytes:
                    self._too_long = True
                    if not self._owned:
                        self._answer.close()
                    return
            self._complete = True
            self._answer.close()
        except RequestRefused as error:
            self._failed = error
            self._answer.close()
        finally:
            self._tell()

    def close(self) -> None:
        """The owner does not follow any more."""
        self._owned = False
        if self._too_long:
            self._answer.close()

    def drop(self) -> None:
        """Forget the content: whoever comes from now on gets none."""
        if self._complete:
            self._pieces.clear()
            self.size = 0
            self._complete = False
            self._failed = RequestRefused(Refusal.REPEATED)

    async def follow(self, *, owner: bool = False) -> AsyncIterator[bytes]:
        """Yield the content from its beginning; no bytes when the site pauses.

        Raises RequestRefused where it breaks off.
        """
        at = 0
        while True:
            while at < len(self._pieces):
                at += 1
                yield self._pieces[at - 1]
            if self._complete:
                return
            if self._failed is not None:
                raise self._failed
            if self._too_long:
                if not owner:
                    raise RequestRefused(Refusal.REPEATED)
                self._pieces.clear()
                async for data in self._answer.content():
                    yield data
                return
            yield b""
            if at == len(self._pieces) and not self._is_over():
                await self._news.wait()

    def _is_over(self) -> bool:
        return self._complete or self._too_long or self._failed is not None

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
