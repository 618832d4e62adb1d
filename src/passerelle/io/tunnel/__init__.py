"""A session at work: links below, streams above, and the clock.

`Tunnel` joins the pure `Session` and `Streams` to `SecureLink`s, each a `TlsPipe` over a
`Transport`; `WebSocketTransport` is one of those, `io.webrtc` has the other. `TunnelStream` is one
proxied connection as a pair of byte pipes, `Flow` a UDP flow over it, `splice` joins a stream to a
socket, `FairTurns` shares an exit's way out between tunnels.

Uses: `io.tasks`.
"""
