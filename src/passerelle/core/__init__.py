"""State machines and decisions. Pure: no I/O, no clock, no randomness.

Rooms, each of which says in its own docstring what it owns:

- `tunnel`: one session over several links, and the streams inside it
- `media`: link messages as video, and congestion control
- `matching`: which volunteer a client gets
- `localport`: what applications say to the client's proxy port
- `address`: hosts, networks, and what may be connected to
- `gateway`: how an exit answers a reading page's sealed requests
- `nat`: what a NAT does, and the STUN server's answers

Modules beside the rooms serve several of them or a role directly: token buckets, ledgers of what a
stranger costs, backoff, quotas, origins and their shares of a table, replay windows, the ranking of
ways to a broker, release names, the publisher's tag.
"""
