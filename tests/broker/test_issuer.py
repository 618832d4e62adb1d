"""Tags in client tickets: they tell an exit who counts together, and nothing else."""

from __future__ import annotations

import secrets
from ipaddress import ip_address

import pytest

from passerelle import limits
from passerelle.broker.issuer import TicketIssuer
from passerelle.core.address.prefix import origin
from passerelle.core.origin import TOKEN, UNKNOWN, Party, parties, tagged
from passerelle.wire import tickets
from passerelle.wire.tickets import TicketKind
from tests.broker.parties import NOW, TICKET_KEY, config

KEYS = (TICKET_KEY.public_key(),)


class Issuer:
    """An issuer whose clock can be moved."""

    def __init__(self) -> None:
        self.now_s = float(NOW)
        self._issuer = TicketIssuer(config(), clock=lambda: self.now_s, token=secrets.token_bytes)

    def tags(self, asker: bytes | str) -> bytes:
        """The tags of a client that asks from an address, or for an origin."""
        whom = origin(ip_address(asker)) if isinstance(asker, str) else asker
        text = self._issuer.client("one", whom)
        kind = TicketKind.CLIENT
        return tickets.verify(text, KEYS, kind=kind, exit_id="one", now_s=self.now_s).tags

    def parties(self, asker: bytes | str) -> tuple[Party, ...]:
        """The parties that an exit counts it for, the narrowest first."""
        return parties(tagged(self.tags(asker)))


def test_an_exit_counts_as_the_broker_does() -> None:
    """Those of one /24 or /56 have one tag, and so have the wider networks of IPv6."""
    issuer = Issuer()
    assert issuer.tags("8.8.8.8") == issuer.tags("8.8.8.77") != issuer.tags("8.8.9.8")
    first, same, site, provider, other = (
        issuer.parties(f"{prefix}::1")
        for prefix in ("2a00:1:2:300", "2a00:1:2:3ff", "2a00:1:2:400", "2a00:1:3", "2a01:1:2:300")
    )
    assert first == same
    common = [
        sum(one == another for one, another in zip(first, each, strict=True))
        for each in (site, provider, other)
    ]
    assert common == [2, 1, 0]
    assert [party.shares for party in first] == [1, 4, 64]


def test_a_crowd_counts_together_and_its_members_for_little() -> None:
    """A thousand who come through one cache have the shares of a crowd, not one."""
    issuer = Issuer()
    one, other = issuer.parties(UNKNOWN), issuer.parties(UNKNOWN)
    assert [a == b for a, b in zip(one, other, strict=True)] == [False, False, True]
    assert one[2].shares == limits.CROWD_SHARES


def test_holders_of_a_token_count_together() -> None:
    issuer = Issuer()
    assert issuer.tags(TOKEN + bytes(16)) == issuer.tags(TOKEN + bytes(16))
    assert issuer.tags(TOKEN + bytes(16)) != issuer.tags(TOKEN + b"o" * 16)


@pytest.mark.parametrize("hours", [1, 24])
def test_after_an_hour_nobody_can_tell(hours: int) -> None:
    """The secret behind the tags is forgotten, and other brokers have others."""
    issuer, another = Issuer(), Issuer()
    before = issuer.tags("8.8.8.8")
    assert another.tags("8.8.8.8") != before
    issuer.now_s += hours * limits.TAG_SECRET_S
    assert issuer.tags("8.8.8.8") != before


def test_volunteers_see_no_tags() -> None:
    """A volunteer carries the link ticket, and must not learn which links belong together."""
    issuer = TicketIssuer(config(), clock=lambda: NOW, token=secrets.token_bytes)
    for _, text in (issuer.link("one"), *issuer.lanes("one", 2)):
        found = tickets.verify(text, KEYS, kind=TicketKind.LINK, exit_id="one", now_s=NOW)
        assert found.tags == b""
