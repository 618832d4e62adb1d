"""The proxy protocols that applications speak to the client's local port, without I/O.

`ProtocolDetector` reads the first byte of a connection and hands the rest to a `Socks5` or an
`HttpProxy`. Both are a `Handshake` (in `request`): they take bytes in any chunks and return
effects, which `client.proxy` carries out. An HTTP request for a site comes with an `HttpExchange`,
which knows where the request and the site's `HttpResponse` end, so that the next request can follow
on the same connection. `httppage` has the pages in place of a site's answer, and `udpassociate`
packs and unpacks SOCKS5's UDP datagrams.

Uses: `core.address.host`, and `h11` to parse request heads and chunks.
"""
