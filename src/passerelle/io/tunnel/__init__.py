"""A session at work: links below, streams above, and the clock.

`Tunnel` drives the pure `Session`. Its `LinkTable` holds `SecureLink`s, each a `TlsPipe` over a
`Transport`; `WebSocketTransport` is one of those, and `io.webrtc` has the other. Its `StreamTable`
holds `TunnelStream`s, each one proxied connection as a pair of byte pipes, and HTTP/2 between them
and the session. `Flow` is a UDP flow over a stream, `splice` joins a stream to a socket, and
`FairTurns` shares an exit's way out between tunnels.

Uses: `io.tasks`.
"""
