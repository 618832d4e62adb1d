"""Hosts, addresses and networks, and what may be done with them.

`host` parses names and literals, `classes` tells what kind of network an address belongs to,
`prefix` whose it is, `forwarded` who stands behind a proxy of ours. `ConnectionPolicy` judges what
an exit may connect to, `candidates` which of a peer's ICE candidates may be used.

Uses no other room.
"""
