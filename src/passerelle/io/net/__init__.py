"""Sockets towards the Internet, and the location of addresses.

`Resolver` looks names up. `dial` (TCP) and `udp` connect to addresses that the policy allows.
`stun` has a STUN server and a STUN client. `Disguise` makes HTTPS requests that look like a
browser's. `LocationDatabase` tells an address's country and network.

Uses: `io.tasks` and `io.listening`.
"""
