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
from collections.abc import Callable, Container
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
    description: Description, *, private: bool, known: Container[str] | None = None
) -> Description:
    """Return `description` with only those candidates that may be used, in their order.

    This is for a peer, which cannot know where the other one is. `private` admits candidates in
    networks that only laboratories use between peers, such as private and loopback ones. `known`
    are the addresses of this peer that were vetted before; with it, candidates at other addresses
    are left out. It is for descriptions that the peer sends later, over a link and not through a
    broker.
    """
    return _vetted(description, private, lambda address: known is None or str(address) in known)


def vet_near(description: Description, near: bytes | None, *, private: bool) -> Description:
    """Do as `vet` does, for a broker that may have seen where the peer is.

    Public candidates must be within `near`, the /24 or /48 at which the peer was seen
    (`prefix.site`). If nobody saw it (None), no public candidate is kept: the peer could name
    anybody.
    """
    return _vetted(
        description,
        private,
        lambda address: not _is_public(address) or (near is not None and site(address) == near),
    )


def vet_carried(description: Description, *, private: bool) -> Description:
    """Do as `vet` does, for a description that a person hands on by hand.

    Nobody has seen where the peer is. So it may name one public address of each IP version, as one
    machine at home has, and the person who hands it on has been asked to trust it so far.
    """
    named: dict[int, IPAddress] = {}
    return _vetted(
        description,
        private,
        lambda address: (
            not _is_public(address) or named.setdefault(address.version, address) == address
        ),
    )


def _vetted(
    description: Description, private: bool, is_theirs: Callable[[IPAddress], bool]
) -> Description:
    ports: Counter[str] = Counter()
    kept: list[Candidate] = []
    for candidate in dict.fromkeys(description.candidates):
        if not usable(candidate, private=private) or not is_theirs(ip_address(candidate.ip)):
            continue
        ports[candidate.ip] += 1
        if ports[candidate.ip] <= limits.CANDIDATE_PORTS:
            kept.append(candidate)
    return description.with_candidates(kept[: limits.CANDIDATES])


def usable(candidate: Candidate, *, private: bool) -> bool:
    """Return whether packets may be sent to `candidate`, by its port and its kind of network.

    `private` is as in `vet`.
    """
    address = ip_address(candidate.ip)
    allowed = _is_public(address) or (private and classify(address) in _LABORATORY)
    return allowed and candidate.port >= FIRST_PORT


def _is_public(address: IPAddress) -> bool:
    return classify(address) is AddressClass.PUBLIC
