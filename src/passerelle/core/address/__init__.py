"""Hosts, addresses and networks: how they are parsed, classified and judged.

`host` parses names and IP literals. `classes` says what kind of network an address belongs to,
`prefix` whom it counts for, and `forwarded` which client is behind the operator's own proxy.
`ConnectionPolicy` (in `policy`) decides what an exit may connect to; `candidates` decides which of
a peer's ICE candidates may be used.

Uses no other room, and `core.origin`.
"""
