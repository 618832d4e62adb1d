from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from email.utils import formatdate
from ipaddress import ip_network
from pathlib import Path

import pytest

from passerelle.core.address.policy import ConnectionPolicy
from passerelle.core.quota import Quota
from passerelle.exit.gateway.settings import GatewaySettings
from passerelle.io.server.metrics import Metrics
from passerelle.wire.gatewayframes import Reset
from passerelle.wire.tickets import TicketKind
from tests.exit.gateway.scene import NEXT_KEY, OLD_KEY, POLICY, SITE, scene, until
from tests.network import KEYS, ticket
from tests.rig.certificate import Certificate
from tests.rig.pagereader import PageReader, WasReset
from tests.rig.ports import free_port

TRAILERS = ("te", "trailers")
EMPTY = 17
"""Bytes of a chunk without content: its length and its tag."""


async def test_a_story_arrives_over_https(tmp_path: Path) -> None:
    """The site's answer comes as it was given, from servers that prove to be the site's."""
    certificate = Certificate.make(tmp_path)
    settings = GatewaySettings(roots=str(certificate.pem))
    async with scene(certificate=certificate, gateway=settings) as made, made.reader() as reader:
        answer = await reader.ask("GET", f"{made.site}/2026/story?a=%2F&b", [("accept", "x/y")])
        assert (answer.status, answer.content, answer.refusal) == (200, b"story 1", None)
        assert answer.fields["content-type"] == "text/plain; charset=utf-8"
        (asked,) = made.publisher.asked
        assert asked.raw_path == "/2026/story?a=%2F&b"
        assert asked.headers["Accept"] == "x/y"


async def test_a_site_without_a_valid_certificate_is_not_shown(tmp_path: Path) -> None:
    """Somebody who answers in the site's place cannot: the reader is told in words."""
    certificate = Certificate.make(tmp_path)
    async with scene(certificate=certificate) as made, made.reader() as reader:
        answer = await reader.ask("GET", f"{made.site}/")
        assert (answer.status, answer.refusal) == (502, "certificate")
        assert b"Tell the publisher" in answer.content
        assert not made.publisher.asked


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost.example/",
        "http://xlocalhost/",
        "http://localhost@elsewhere.example/",
        "http://elsewhere.example:localhost/",
        "http:///",
        "http://localhost:25/",
        "http://localhost:0/",
        "http://2130706433/",
        "http://%6cocalhost/",
    ],
)
async def test_other_addresses_get_one_clear_answer(url: str) -> None:
    """Whatever is not the publisher's is refused in the same words, and nothing is dialled."""
    async with scene() as made, made.reader() as reader:
        answer = await reader.ask("GET", url)
        assert (answer.status, answer.refusal) == (403, "name")
        assert answer.content.startswith(b"This network serves the publisher's own site only.")


async def test_plain_http_is_served_only_where_the_operator_said_so(tmp_path: Path) -> None:
    """Between exit and site nobody reads along by default."""
    certificate = Certificate.make(tmp_path)
    async with scene(certificate=certificate) as made, made.reader() as reader:
        answer = await reader.ask("GET", made.site.replace("https", "http") + "/")
        assert answer.refusal == "name"
        answer = await reader.ask("GET", made.site.replace("https", "ftp") + "/")
        assert answer.refusal == "malformed"


async def test_the_policy_holds_for_the_addresses_of_the_site() -> None:
    """A listed name that leads into the exit's own network is refused like a foreign one."""
    policy = ConnectionPolicy(ports=None, sites=(SITE,))
    async with scene(policy=policy) as made, made.reader() as reader:
        answer = await reader.ask("GET", f"{made.site}/")
        assert (answer.status, answer.refusal) == (403, "name")
        assert not made.publisher.asked
    denied = replace(POLICY, deny=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    async with scene(policy=denied) as made, made.reader() as reader:
        assert (await reader.ask("GET", f"{made.site}/")).refusal == "name"


async def test_redirects_are_the_readers_own_business() -> None:
    """The gateway passes a redirect on, and does not follow it."""
    async with scene() as made, made.reader() as reader:
        answer = await reader.ask("GET", f"{made.site}/moved")
        assert (answer.status, answer.fields["location"]) == (302, "/elsewhere")
        assert [request.path for request in made.publisher.asked] == ["/moved"]


async def test_a_site_that_is_down_is_said_to_be_down() -> None:
    """Nothing that listens there, a name without address, silence: each has its words."""
    settings = GatewaySettings(site_s=0.3, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        nobody = f"http://{SITE}:{free_port()}/"
        assert (await reader.ask("GET", nobody)).refusal == "unreachable"
        no_name = f"http://no-such-name-{time.time_ns()}.{SITE}/"
        assert (await reader.ask("GET", no_name)).refusal in {"dns", "unreachable", "name"}
        answer = await reader.ask("GET", f"{made.site}/late")
        assert (answer.status, answer.refusal) == (504, "timeout")


async def _raw_site(answer: bytes) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "garbled"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 200 + b"\r\n", "garbled"),
        (b"HTTP/1.1 99999 \r\n\r\n", "garbled"),
        (b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", "garbled"),
        (b"SSH-2.0-x\r\n", "garbled"),
        (b"", "unreachable"),
    ],
    ids=["long field", "many fields", "status", "unknown status", "another protocol", "nothing"],
)
async def test_what_is_no_http_is_not_shown(answer: bytes, refusal: str) -> None:
    """A site that garbles its answer costs nobody anything."""
    server, port = await _raw_site(answer)
    async with server, scene() as made, made.reader() as reader:
        assert (await reader.ask("GET", f"http://{SITE}:{port}/")).refusal == refusal


async def test_a_field_that_http_does_not_allow_is_left_out() -> None:
    """A reader's page would take it for a volunteer's doing."""
    server, port = await _raw_site(b"HTTP/1.1 204 No\r\nX-Odd: a\x01b\r\nX-Even: caf\xe9\r\n\r\n")
    async with server, scene() as made, made.reader() as reader:
        answer = await reader.ask("GET", f"http://{SITE}:{port}/")
        assert answer.status == 204
        assert answer.fields == {"x-even": "café"}


@pytest.mark.parametrize("more", [b"", b"Cache-Control: max-age=60\r\n"])
async def test_an_answer_that_is_cut_off_is_not_taken_for_whole(more: bytes) -> None:
    """The reader learns that the rest is missing, and others get no half answer later."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n" + more + b"\r\nbegin"
    server, port = await _raw_site(whole)
    async with server, scene() as made, made.reader() as reader:
        for _ in range(2):
            with pytest.raises(WasReset) as reset:
                await reader.ask("GET", f"http://{SITE}:{port}/")
            assert reset.value.code is Reset.BROKEN


@pytest.mark.parametrize("more", [b"", b"Cache-Control: max-age=60\r\n"])
async def test_a_reader_who_takes_trailers_is_told_what_the_site_did(more: bytes) -> None:
    """It gets what there is, and learns from the gateway that the site sent no more."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n" + more + b"\r\nbegin"
    server, port = await _raw_site(whole)
    async with server, scene() as made, made.reader() as reader:
        for _ in range(2):
            answer = await reader.ask("GET", f"http://{SITE}:{port}/", [TRAILERS])
            assert (answer.status, answer.content, answer.is_cut) == (200, b"begin", True)
        whole_answer = await reader.ask("GET", f"{made.site}/", [TRAILERS])
        assert not whole_answer.is_cut
    assert "te" not in made.publisher.asked[0].headers


async def test_a_reader_hears_of_the_gateway_while_the_site_is_silent() -> None:
    """Before its answer and in the middle of it: so no volunteer is blamed for the site."""
    async with scene() as made, made.reader() as reader:
        late = await reader.begin(reader.seal("GET", f"{made.site}/late"))
        slow = await reader.begin(reader.seal("GET", f"{made.site}/slow"))
        # A nonce, and an empty chunk in front of the head; an empty chunk behind the beginning.
        await until(lambda: late.received_bytes >= 16 + 2 * EMPTY)
        await until(lambda: slow.frames.qsize() >= 4)
        made.publisher.gate.set()
        assert (await reader.finish(late)).status == 200
        assert (await reader.finish(slow)).content == b"begin end"


async def test_a_site_that_trickles_is_given_up() -> None:
    """Each byte comes in time, and yet there is an end, also to what readers share."""
    settings = GatewaySettings(exchange_s=0.5, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        for query in ("", "?Cache-Control=max-age%3D60"):
            answer = await reader.ask("GET", f"{made.site}/trickle{query}", [TRAILERS])
            assert answer.is_cut
            assert len(answer.content) >= 5


async def test_a_long_answer_is_cut_off() -> None:
    """An answer without end does not go on for ever."""
    settings = GatewaySettings(answer_bytes=100_000, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        with pytest.raises(WasReset):
            await reader.ask("GET", f"{made.site}/bytes?n=200000")
        assert len((await reader.ask("GET", f"{made.site}/bytes?n=90000")).content) == 90_000


async def test_nothing_between_reader_and_gateway_reaches_the_site() -> None:
    """Tickets and fields about connections stay here; in answers, what could pass for ours."""
    own = [
        ("passerelle-anything", "x"),
        ("connection", "x-mine"),
        ("x-mine", "y"),
        ("host", "elsewhere.example"),
        ("x-forwarded-for", "192.0.2.1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "77"),
    ]
    async with scene() as made, made.reader() as reader:
        path = "/echo?Proxy-Status=passerelle%3b%20error=x&Passerelle-X=1&X-Kept=2"
        answer = await reader.ask("POST", made.site + path, own, b"text")
        assert (answer.content, answer.refusal) == (b"text", None)
        assert answer.fields["x-kept"] == "2"
        assert not {"proxy-status", "passerelle-x"} & answer.fields.keys()
        (asked,) = made.publisher.asked
        assert asked.headers["Host"] == made.site.partition("://")[2]
        assert asked.headers["Content-Length"] == "4"
        told = {name.lower() for name in asked.headers}
        assert told == {"host", "content-length"}


async def test_methods_that_are_not_passed_on() -> None:
    """A gateway is no tunnel."""
    async with scene() as made, made.reader() as reader:
        for method in ("CONNECT", "TRACE", "x"):
            answer = await reader.ask(method, f"{made.site}/")
            assert (answer.status, answer.refusal) == (501, "method")
        assert not made.publisher.asked


# --- who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        ticket(TicketKind.LINK),
        ticket(TicketKind.CLIENT, exit_id="other"),
        ticket(TicketKind.CLIENT, life_s=-5),
        ticket(TicketKind.CLIENT, key=KEYS.operator),
        "x" * 600,
    ],
    ids=["none", "garbage", "link", "other exit", "expired", "other signer", "long"],
)
async def test_who_has_no_ticket_gets_nothing(given: str) -> None:
    """A request without a valid client ticket is told so, and goes nowhere."""
    async with scene() as made, made.reader(client_ticket=given) as reader:
        answer = await reader.ask("GET", f"{made.site}/")
        assert (answer.status, answer.refusal) == (401, "ticket")
        assert not made.publisher.asked


async def test_a_ticket_that_was_good_ends() -> None:
    """A ticket whose signature was checked before is refused all the same when it has expired."""
    async with scene() as made:
        short = ticket(TicketKind.CLIENT, life_s=2)
        async with made.reader(client_ticket=short) as reader:
            url = f"{made.site}/"
            seen: list[str | None] = []
            async with asyncio.timeout(10):
                while not seen or seen[-1] is None:
                    seen.append((await reader.ask("GET", url)).refusal)
            assert seen[0] is None
            assert seen[-1] == "ticket"


async def test_a_quota_is_the_tickets_own() -> None:
    """Whoever has used an hour's requests up is told so, on any link; others are not."""
    async with scene(quota=Quota(requests_per_hour=3)) as made:
        mine = ticket(TicketKind.CLIENT)
        seen = []
        for _ in range(4):
            async with made.reader(client_ticket=mine) as reader:
                seen.append((await reader.ask("GET", f"{made.site}/")).refusal)
        assert seen == [None, None, None, "quota"]
        async with made.reader() as other:
            assert (await other.ask("GET", f"{made.site}/")).refusal is None


async def test_bytes_of_an_hour_are_the_tickets_own() -> None:
    """A long answer is finished, and the next one is not begun."""
    async with scene(quota=Quota(answer_bytes_per_hour=50_000)) as made, made.reader() as reader:
        assert len((await reader.ask("GET", f"{made.site}/bytes?n=90000")).content) == 90_000
        assert (await reader.ask("GET", f"{made.site}/")).refusal == "quota"


async def test_requests_at_once_count_as_streams() -> None:
    """A ticket has so many open, and room again when one has ended."""
    async with scene(quota=Quota(streams=2)) as made, made.reader() as reader:
        held = [await reader.begin(reader.seal("GET", f"{made.site}/slow")) for _ in range(2)]
        await until(lambda: made.publisher.count("/slow") == 2)
        assert (await reader.ask("GET", f"{made.site}/")).refusal == "quota"
        made.publisher.gate.set()
        for asking in held:
            assert (await reader.finish(asking)).content == b"begin end"
        assert (await reader.ask("GET", f"{made.site}/")).refusal is None


# --- what is sealed -------------------------------------------------------------------------------


async def test_a_repeated_message_is_refused() -> None:
    """A volunteer that sends a request again, on any link, reaches nothing with it."""
    async with scene() as made, made.reader() as reader, made.reader() as other:
        sealed = reader.seal("POST", f"{made.site}/", content=b"once")
        assert (await reader.finish(await reader.begin(sealed))).status == 200
        for again in (reader, other):
            with pytest.raises(WasReset) as reset:
                await again.finish(await again.begin(sealed))
            assert reset.value.code is Reset.REPLAYED
        assert made.publisher.count("/") == 1


async def test_two_keys_are_valid() -> None:
    """Yesterday's key and today's open requests; tomorrow's is asked for too early."""
    async with scene() as made:
        async with made.reader(configuration=OLD_KEY) as reader:
            assert (await reader.ask("GET", f"{made.site}/")).status == 200
        async with made.reader(configuration=NEXT_KEY) as reader:
            with pytest.raises(WasReset) as reset:
                await reader.ask("GET", f"{made.site}/")
            assert reset.value.code is Reset.KEY


async def test_an_altered_message_is_refused() -> None:
    """What a volunteer changed is not opened, and its link goes on."""
    async with scene() as made, made.reader() as reader:
        sealed = reader.seal("GET", f"{made.site}/")
        bad = bytearray(sealed.message)
        bad[60] ^= 1
        with pytest.raises(WasReset) as reset:
            await reader.finish(await reader.begin(replace(sealed, message=bytes(bad))))
        assert reset.value.code is Reset.MALFORMED
        assert (await reader.ask("GET", f"{made.site}/")).status == 200


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", formatdate(0), formatdate(time.time() + 7200)],
    ids=["none", "no date", "long ago", "in two hours"],
)
async def test_a_change_wants_the_right_time(date: str) -> None:
    """What may be a repetition from before the start changes nothing; a look needs no time."""
    async with scene() as made, made.reader() as reader:
        fields = [("date", date)] if date else [("date", "")]
        answer = await reader.ask("POST", f"{made.site}/", fields, b"x")
        assert (answer.status, answer.refusal) == (425, "clock")
        assert (await reader.ask("GET", f"{made.site}/", fields)).status == 200
        assert [request.method for request in made.publisher.asked] == ["GET"]


async def test_a_sealed_message_that_is_no_request_is_told_so() -> None:
    """A reader with a fault gets an answer that it can read."""
    async with scene() as made, made.reader() as reader:
        answer = await reader.ask("GET", f"{made.site}/", [("accept", "a\r\nb: c")])
        assert (answer.status, answer.refusal) == (400, "malformed")


# --- once -----------------------------------------------------------------------------------------


async def _post_once(reader: PageReader, url: str, key: str = "k1", text: bytes = b"x") -> bytes:
    answer = await reader.ask("POST", url, [("idempotency-key", key)], text)
    assert answer.status == 200
    return answer.content


async def test_what_is_repeated_is_done_once() -> None:
    """A reader that lost its volunteer asks again over another, and gets the first answer."""
    async with scene() as made:
        mine = ticket(TicketKind.CLIENT)
        url = f"{made.site}/late"
        fields = [("idempotency-key", "k1")]
        async with made.reader(client_ticket=mine) as lost:
            await lost.begin(lost.seal("POST", url, fields, b"x"))
            await until(lambda: made.publisher.count("/late"))
        made.publisher.gate.set()
        async with made.reader(client_ticket=mine) as reader:
            assert await _post_once(reader, url) == b"story 1"
            assert await _post_once(reader, url) == b"story 1"
            assert await _post_once(reader, url, key="k2") == b"story 2"
            assert await _post_once(reader, url, text=b"y") == b"story 3"
        # With a new volunteer comes a new ticket.
        async with made.reader() as other:
            assert await _post_once(other, url) == b"story 1"
            assert await _post_once(other, url, key="k3") == b"story 4"


async def test_the_keys_of_a_sites_own_scripts_are_the_sites() -> None:
    """A site may count its orders by them. What makes a deed one is the reader's own key."""
    async with scene() as made:
        name = "idempotency-key"
        async with made.reader() as reader:
            for key in ("k1", "k2"):
                fields = [(name, "order-1"), (name, key)]
                answer = await reader.ask("POST", f"{made.site}/story", fields, b"x")
                assert answer.status == 200
        seen = [request.headers.getall(name) for request in made.publisher.asked]
        assert seen == [["order-1"], ["order-1"]]


async def test_a_long_answer_is_not_remembered_but_that_it_was() -> None:
    """It comes once in full; whoever repeats the request is told that it was done."""
    settings = GatewaySettings(cached_bytes=50_000, plain_http=True)
    async with scene(gateway=settings) as made, made.reader() as reader:
        url = f"{made.site}/bytes?n=400000"
        assert len(await _post_once(reader, url)) == 400_000
        with pytest.raises(WasReset):
            await _post_once(reader, url)
        assert made.publisher.count("/bytes") == 1


async def test_a_failure_is_remembered_as_well() -> None:
    """A site that is down is not asked again for the same deed."""
    async with scene() as made, made.reader() as reader:
        url = f"http://{SITE}:{free_port()}/"
        for _ in range(2):
            answer = await reader.ask("POST", url, [("idempotency-key", "k")], b"x")
            assert answer.refusal == "unreachable"


async def test_what_the_operator_sees() -> None:
    """Counters say how much, and not who or what."""
    metrics = Metrics()
    async with scene(metrics=metrics) as made, made.reader() as reader:
        await reader.ask("GET", f"{made.site}/secret-path")
        await reader.ask("GET", "http://secret-name.example/")
        text = metrics.text().decode()
        assert 'exit_gateway_answers_total{source="site"} 8.0' in text
        assert 'exit_gateway_refusals_total{reason="name"} 8.0' in text
        assert "secret" not in text
