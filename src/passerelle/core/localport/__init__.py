"""The proxy protocols that applications speak to the client's local port, without I/O.

`ProtocolDetector` reads the first byte of a connection and hands the rest to a `Socks5` or an
`HttpProxy`. Both are a `Handshake` (in `request`): they take bytes in any chunks and return
effects, which `client.proxy` carries out. `udpassociate` packs and unpacks SOCKS5's UDP datagrams.

Uses: `core.address.host`, and `h11` to parse HTTP.
"""
