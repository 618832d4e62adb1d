"""What came to a gateway through each door, for the operator: beside what doors bring to a broker
(`broker.doorcounts`), this is nearly all of their traffic where no volunteer is reached.

The numbers are rounded as all that count people, and say nothing of who asked, or for what.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from passerelle.io.server.metrics import Metrics


class GatewayDoorCounts:
    """Counts the sealed requests for a site that doors bring."""

    def __init__(self, metrics: Metrics, urls: Mapping[str, str]) -> None:
        """`urls` are the doors' base URLs by their keys. Nothing is shown where there are none."""
        self._urls = urls
        if not urls:
            return
        counter = partial(metrics.counter, label="door", values=tuple(urls.values()))
        self._requests = counter(
            "exit_gateway_door_requests", "Requests for the site that a door brought."
        )
        self._refused = counter(
            "exit_gateway_door_refused",
            "Requests of a door that got no answer, and strangers' that it passed on.",
        )
        self._up = counter(
            "exit_gateway_door_request_bytes", "Bytes of the requests that a door brought."
        )
        self._down = counter(
            "exit_gateway_door_answer_bytes", "Bytes of their answers that were sent to the door."
        )

    def ended(self, key: str, request_bytes: int, answer_bytes: int) -> None:
        """Count a request that is over, by the key that came with it. No answer is a refusal.

        A request without the key of a door is not counted here.
        """
        url = self._urls.get(key)
        if url is None:
            return
        self._requests.add(value=url)
        self._up.add(request_bytes, url)
        self._down.add(answer_bytes, url)
        if answer_bytes == 0:
            self._refused.add(value=url)
