"""Sockets towards the Internet, and what is known of addresses.

`Resolver` looks names up, `dial` and `udp` connect after the policy has judged each address, `stun`
serves and asks STUN, `Disguise` makes HTTPS requests that look like a browser's, and
`LocationDatabase` tells the country and network of an address.

Uses: `io.tasks`, and of `io.server` the sentence about a port that cannot be opened.
"""
