"""What an application says to the client's one local port.

`ProtocolDetector` tells SOCKS5 from an HTTP proxy request by the first byte and becomes a `Socks5`
or an `HttpProxy`; each is a `Handshake` of `request` that takes bytes in any chunks and returns
effects. `udpassociate` is the header of SOCKS5's datagrams.

Uses: `core.address.host`, and `h11` for HTTP's grammar. `client.proxy` is the shell around it.
"""
