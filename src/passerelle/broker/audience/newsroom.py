"""The page at `/newsroom`: what a publisher is shown of the volunteers on its own pages.

| path | method | what |
|---|---|---|
| `/newsroom` | GET | the figures, or the form for the token |
| `/newsroom` | POST | takes the token from the form and puts it into a cookie |
| `/newsroom/leave` | POST | takes the cookie away |
| `/newsroom/hours.csv`, `/newsroom/countries.csv` | GET | the figures as tables; programs send |
| | | `Authorization: Bearer` with the token |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import hdrs, web

from passerelle import serverlimits
from passerelle.broker.audience import access, pages
from passerelle.broker.audience.access import Access, NoToken, TooManyTries, WrongToken
from passerelle.broker.audience.figures import Figures, countries_csv, figures, hours_csv
from passerelle.broker.audience.gathering import Gathered, Gathering
from passerelle.broker.audience.pages import FigurePage, Words
from passerelle.broker.config import BrokerConfig
from passerelle.broker.locator import PeerLocator
from passerelle.errors import PeerError
from passerelle.io.server.web import body_of
from passerelle.wire.invite import parse
from passerelle.wire.publishers import Publisher

PATH: Final = "/newsroom"
Handler = Callable[[web.Request], Awaitable[web.Response]]
_HEADERS: Final = {
    **pages.HEADERS,
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Authorization, Cookie",
}
_FORM_S: Final = 10.0
"""How long the form may take to arrive."""
_RETRY_S: Final = "120"
_CSV: Final[dict[str, Callable[[Figures], str]]] = {
    "hours.csv": hours_csv,
    "countries.csv": countries_csv,
}


class NewsroomPage:
    """The handlers of the page."""

    def __init__(
        self,
        config: BrokerConfig,
        locator: PeerLocator,
        gathering: Gathering,
        clock: Callable[[], float],
    ) -> None:
        """`clock` tells Unix time."""
        self._locator = locator
        self._gathering = gathering
        self._clock = clock
        self._access = Access(config.publishers)
        self._brokers = len(config.descriptor.brokers)
        self._page = FigurePage(PATH.removeprefix("/"))
        base = urlsplit(
            parse(config.invite).url if config.invite else config.descriptor.brokers[0].url
        )
        self._cookie_path = base.path.rstrip("/") + PATH
        self._is_secure = base.scheme == "https"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the page from `router`."""
        router.add_get(PATH, self._show)
        router.add_post(PATH, self._enter)
        router.add_post(PATH + "/leave", self._leave)
        for name, table in _CSV.items():
            router.add_get(f"{PATH}/{name}", self._download(name, table))
        router.add_get(PATH + "/{file}", self._page.file)

    async def _show(self, request: web.Request) -> web.Response:
        words = self._page.words(request)
        try:
            publisher = self._holder(request, access.token_in(request))
        except NoToken:
            return self._form(words)
        except WrongToken:
            response = self._form(words, "wrong", status=403)
            response.del_cookie(access.COOKIE, path=self._cookie_path)
            return response
        except TooManyTries:
            return self._form(words, "wait", status=429)
        own = " · ".join(map(pages.left_to_right, publisher.pages))
        lead = words.filled("pages", pages=own)
        gathered = await self._gathering.gather(publisher)
        return self._answer(words, self._figures(words, gathered), lead)

    async def _enter(self, request: web.Request) -> web.Response:
        words = self._page.words(request)
        try:
            token = await self._form_token(request)
            self._holder(request, token)
        except (NoToken, WrongToken):
            return self._form(words, "wrong", status=403)
        except TooManyTries:
            return self._form(words, "wait", status=429)
        response = _see(f"newsroom?lang={words.code}")
        response.set_cookie(
            access.COOKIE,
            token,
            path=self._cookie_path,
            secure=self._is_secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def _leave(self, request: web.Request) -> web.Response:
        response = _see(f"../newsroom?lang={self._page.words(request).code}")
        response.del_cookie(access.COOKIE, path=self._cookie_path)
        return response

    def _download(self, name: str, table: Callable[[Figures], str]) -> Handler:
        async def download(request: web.Request) -> web.Response:
            try:
                publisher = self._holder(request, access.token_in(request))
            except (NoToken, WrongToken):
                raise web.HTTPUnauthorized(
                    text="Send the publisher's token.\n",
                    headers={**_HEADERS, hdrs.WWW_AUTHENTICATE: "Bearer"},
                ) from None
            except TooManyTries:
                raise web.HTTPTooManyRequests(
                    text="Too many wrong tokens.\n",
                    headers={**_HEADERS, hdrs.RETRY_AFTER: _RETRY_S},
                ) from None
            headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
            shown = figures((await self._gathering.gather(publisher)).counted)
            return web.Response(text=table(shown), content_type="text/csv", headers=headers)

        return download

    def _holder(self, request: web.Request, token: str) -> Publisher:
        origin = self._locator.sender(request).origin
        return self._access.holder(token, origin, asyncio.get_running_loop().time())

    async def _form_token(self, request: web.Request) -> str:
        """Return the token of the form. Raises NoToken."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise NoToken
        try:
            body = await body_of(request, most=serverlimits.NEWSROOM_FORM_BYTES, within_s=_FORM_S)
            fields = parse_qs(body.decode("ascii"), max_num_fields=4)
        except (PeerError, ValueError):
            raise NoToken from None
        token = fields.get("token", [""])[0].strip()
        # A cookie carries nothing else, and no token has anything else.
        if not token.isascii() or not token.replace("-", "").isalnum():
            raise NoToken
        return token

    def _figures(self, words: Words, gathered: Gathered) -> str:
        shown = figures(gathered.counted)
        return "\n".join(
            (
                "" if shown.volunteers else f"<p>{words['nobody']}</p>",
                pages.sums(
                    words,
                    {
                        "now": shown.volunteers,
                        "helped": shown.helped,
                        "data": shown.megabytes,
                    },
                ),
                pages.as_of(words, self._clock()),
                pages.counted_by(words, gathered.brokers, self._brokers),
                pages.hours_and_countries(words, shown),
                pages.note(words["proof"]),
                '<p class="files"><a href="newsroom/hours.csv" download>'
                f'{words["csv_hours"]}</a> <a href="newsroom/countries.csv" download>'
                f"{words['csv_countries']}</a></p>",
                f'<form method="post" action="newsroom/leave?lang={words.code}">'
                f"<button>{words['leave']}</button></form>",
            )
        )

    def _form(self, words: Words, fault: str = "", status: int = 200) -> web.Response:
        said = f'<p class="wrong" role="alert">{words[fault]}</p>' if fault else ""
        form = (
            f'{said}<form method="post" action="newsroom?lang={words.code}">'
            f'<label for="token">{words["token"]}</label>'
            # Password managers store a password by a name, and complain of a form without one.
            '<input autocomplete="username" value="newsroom" hidden>'
            '<input id="token" name="token" type="password" required dir="ltr" maxlength="128" '
            'spellcheck="false" autocapitalize="off" autocomplete="current-password" '
            f'aria-describedby="hint"><p class="note" id="hint">{words["hint"]}</p>'
            f"<button>{words['show']}</button></form>"
        )
        return self._answer(words, form, words["ask"], status)

    def _answer(self, words: Words, content: str, lead: str, status: int = 200) -> web.Response:
        return web.Response(
            text=self._page.page(words, words["title"], lead, content),
            status=status,
            content_type="text/html",
            headers={**_HEADERS, "Content-Language": words.code},
        )


def _see(location: str) -> web.Response:
    """Return an answer that has the browser load the page at `location`.

    The location is relative, so that it holds behind a proxy that serves the broker under a path of
    the proxy's own.
    """
    return web.Response(status=303, headers={**_HEADERS, hdrs.LOCATION: location})
