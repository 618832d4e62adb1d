"""The client's end of a link in the engine that Chrome has: libwebrtc, by the package `wrtc`.

`ChromeOffer` does what `io.webrtc.channel.ChannelOffer` does, and whoever watches the path sees a
browser's packets: its STUN, its DTLS 1.3, its video both ways. `MediaExchange` puts link messages
into that video and takes them out. The congestion control is Chrome's own, at both ends.

Both run in a process of their own (`child`), which the client starts (`process`). The client holds
`RemoteOffer` and its transport; a socket joins the two (`pipe`, `orders`).

Uses: `io.tasks`, and `io.tunnel.transport` for what a transport is. Only `library` imports `wrtc`,
which has no wheel for every machine.
"""
