"""Decide which of a peer's ICE candidates may be used.

A WebRTC stack sends packets to every candidate it is given, many times, before anything at that
address has agreed to receive them. A peer that names other people's addresses could use the stack
to attack them (RFC 8827 §9.3, RFC 8445 §19.5.1), and a peer that names private addresses could use
it to probe the network it runs in. So every candidate that is not the peer's own public address is
left out.

`widget/src/core/addresses/candidates.ts` does the same in browsers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from ipaddress import ip_address
from typing import Final

from passerelle import limits
from passerelle.core.address.classes import AddressClass, classify
from passerelle.core.address.host import IPAddress
from passerelle.core.address.prefix import site
from passerelle.wire.description import Candidate, Description

FIRST_PORT: Final = 1024
"""The lowest port a candidate may have. Lower ports belong to system services, which might answer;
no WebRTC stack and no NAT uses them."""

_LABORATORY: Final = frozenset(
    {
        AddressClass.LOOPBACK,
        AddressClass.PRIVATE,
        AddressClass.SHARED,
        AddressClass.LINK_LOCAL,
        AddressClass.UNIQUE_LOCAL,
        AddressClass.DOCUMENTATION,
        AddressClass.BENCHMARKING,
    }
)


def vet(
    description: Description,
    *,
    private: bool,
    seen: IPAddress | None = None,
    near: bytes | None = None,
    known: Container[str] | None = None,
) -> Description:
    """Return `description` with only those candidates that may be used, in their order.

    `seen` is the address at which the peer was seen, or None if it is not known. Public candidates
    must be within its /24 or /48. A `seen` that is not public says nothing about the peer, and
    counts as not known. `near` is that /24 or /48 (`prefix.site`), where the address itself is not
    at hand. `private` admits candidates in networks that only laboratories use between peers, such
    as private and loopback ones. `known` are the addresses of this peer that were vetted before;
    with it, candidates at other addresses are left out. It is for descriptions that the peer sends
    later, over a link and not through a broker.
    """
    near = near or site(seen)
    ports: Counter[str] = Counter()
    kept: list[Candidate] = []
    for candidate in dict.fromkeys(description.candidates):
        if known is not None and candidate.ip not in known:
            continue
        if not _is_usable(candidate, private=private, near=near):
            continue
        ports[candidate.ip] += 1
        if ports[candidate.ip] <= limits.CANDIDATE_PORTS:
            kept.append(candidate)
    return description.with_candidates(kept[: limits.CANDIDATES])


def _is_usable(candidate: Candidate, *, private: bool, near: bytes | None) -> bool:
    if candidate.port < FIRST_PORT:
        return False
    address = ip_address(candidate.ip)
    kind = classify(address)
    if kind is AddressClass.PUBLIC:
        return near is None or site(address) == near
    return private and kind in _LABORATORY
