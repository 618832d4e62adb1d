"""Decide which of a peer's ICE candidates may be used.

A WebRTC stack sends packets to every candidate it is given, many times and before anybody has
shown to want them. A peer that names addresses of others makes a weapon of the far side's stack
(RFC 8827 §9.3, RFC 8445 §19.5.1), and one that names private addresses has it probe the far side's
own network. So what is not the peer's own public address is left out.

`widget/src/core/addresses/candidates.ts` is the same for browsers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from ipaddress import ip_address
from typing import Final

from passerelle import limits
from passerelle.core.address import AddressClass, classify
from passerelle.core.host import IPAddress
from passerelle.core.prefix import site
from passerelle.wire.description import Candidate, Description

FIRST_PORT: Final = 1024
"""Below are the system's own services, which would answer; no stack and no NAT takes these."""

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
    known: Container[str] | None = None,
) -> Description:
    """Return `description` with those of its candidates that may be used, in their order.

    `seen` is the address the peer was seen at, if that is known: public candidates must be within
    its /24 or /48. An address that is not public tells nothing, and counts as unknown. `private`
    admits candidates on networks that only laboratories join. `known` are the peer's addresses
    that were vetted before: for what it says afterwards, without a broker between.
    """
    near = site(seen)
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
