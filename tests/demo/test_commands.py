"""The operator's and the reader's commands together, with a real browser between them."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from passerelle.demo import sites
from passerelle.demo.browser import launch
from passerelle.demo.fetch import fetch
from passerelle.demo.run import HOST, free_port
from passerelle.demo.switch import turn_on
from passerelle.errors import LocalError
from passerelle.io.server.web import WebServer
from tests.program import passerelle

pytestmark = pytest.mark.e2e


async def test_serve_and_client_carry_a_page(tmp_path: Path) -> None:
    """Invite and tag work as printed; the exit reaches what --allow and --exit-port open, only."""
    port, proxy_port = free_port(), free_port()
    async with (
        WebServer(sites.blocked(), HOST, 0) as site,
        WebServer(sites.blocked(), HOST, 0) as closed,
        passerelle(
            [
                *f"serve --url http://{HOST}:{port} --listen {HOST}:{port}".split(),
                *f"--allow 127.0.0.0/8 --exit-port {site.port} --state {tmp_path}".split(),
            ]
        ) as operator,
    ):
        await operator.until("</passerelle-switch>")
        tag = "\n".join(re.findall(r"<script.*</script>|<passerelle-switch.*>", operator.output))
        invite = re.findall(r"^ +(http\S+)$", operator.output, re.MULTILINE)[0]
        reader_words = ["client", "--invite", invite, "--listen", f"{HOST}:{proxy_port}", "-v"]
        async with (
            WebServer(sites.publisher(tag), HOST, 0) as publisher,
            launch(headless=True) as browser,
        ):
            await browser.navigate(f"http://{HOST}:{publisher.port}/")
            await turn_on(browser)
            async with passerelle(reader_words) as reader:
                await reader.until("Connected through a volunteer")
                await reader.until("welcome")
                destination = f":{site.port}"
                page = await fetch(proxy_port, HOST, site.port, sites.ARTICLE_PATH)
                assert page.body == sites.article()
                with pytest.raises(LocalError, match="The exit does not go there"):
                    await fetch(proxy_port, HOST, closed.port, sites.ARTICLE_PATH)
                reader.process.send_signal(signal.SIGINT)
                assert await reader.ended() == 0, reader.output
        operator.process.send_signal(signal.SIGTERM)
        assert await operator.ended() == 0, operator.output
    assert "Traceback" not in operator.output + reader.output
    assert destination not in operator.output + reader.output
