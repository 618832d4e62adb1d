"""The handler of `GET /v1/stats`: the network's public numbers, as JSON, for anybody's page.

| field     | type    | meaning                                                                    |
|-----------|---------|----------------------------------------------------------------------------|
| people    | integer | readers' sessions that are alive, at all exits that report to this broker  |
| volunteers| integer | volunteers connected, at all brokers of the network                        |
| available | integer | those of them that would take one more reader now                          |
| countries | object  | volunteers by their country: ISO 3166-1 alpha-2 code to integer            |

All numbers are rounded up to a multiple of `COUNT_STEP`, and a country is named once it has so many
volunteers, so nobody can see a single person come and go. Sessions are counted where exits report:
over the bus, or from inside this process.
Caches may keep an answer for `STATS_AGE_S`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from passerelle.broker.cluster import BrokerCluster
from passerelle.core.rounding import COUNT_STEP, rounded
from passerelle.io.server.web import FOR_PAGES

STATS_AGE_S: Final = 10
"""How long caches may keep the public numbers."""


class PublicStats:
    """Shows how many people a network has; the module's table has the fields."""

    def __init__(self, cluster: BrokerCluster) -> None:
        self._cluster = cluster

    async def handle(self, _request: web.Request) -> web.Response:
        """Answer with the numbers of all brokers together."""
        totals = self._cluster.totals()
        return web.json_response(
            {
                "people": rounded(totals.people),
                "volunteers": rounded(totals.volunteers),
                "available": rounded(totals.available),
                "countries": {
                    country: rounded(count)
                    for country, count in sorted(totals.countries.items())
                    if count >= COUNT_STEP
                },
            },
            headers={"Cache-Control": f"public, max-age={STATS_AGE_S}", **FOR_PAGES},
        )
